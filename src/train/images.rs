//! The images of a run, out of a set.

use tch::{Kind, Tensor};

use crate::data::ImageSet;
use crate::random::Generator;

/// The seed's choice of `count` images in a random order, count x features, normalised by the mean and the standard
/// deviation over all pixels of the whole set, so that equal images are equal inputs whatever the seed.
pub fn select_images(set: &ImageSet, count: usize, kind: Kind, seed: u64) -> Tensor {
    let (mean, deviation) = moments(&set.images);
    let features = (set.rows * set.columns * set.channels) as i64;
    let all = Tensor::from_slice(&set.images).view([set.count as i64, features]);
    let chosen = Generator::named("images", seed).permutation(set.count).narrow(0, 0, count as i64);
    ((all.index_select(0, &chosen).to_kind(Kind::Double) - mean) / deviation).to_kind(kind)
}

/// Mean and standard deviation of pixels; images of one colour keep their scale.
fn moments(pixels: &[u8]) -> (f64, f64) {
    let count = pixels.len() as f64;
    let mean = pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / count;
    let variance = pixels.iter().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_set_has_mean_zero_and_deviation_one_and_a_seed_takes_some_of_it() {
        let pixels: Vec<u8> = (0..200).map(|index| (index * 7 % 256) as u8).collect();
        let set = ImageSet {
            name: "synthetic".to_owned(),
            images: pixels,
            count: 50,
            rows: 2,
            columns: 2,
            channels: 1,
            labels: vec![0; 50],
            classes: 10,
            checksum: String::new(),
        };
        let all = select_images(&set, 50, Kind::Double, 3);
        assert!(all.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
        assert!((all.std(false).double_value(&[]) - 1.0).abs() < 1e-12);
        let some = select_images(&set, 20, Kind::Double, 3);
        assert_eq!(some, all.narrow(0, 0, 20));
        assert_ne!(some, select_images(&set, 20, Kind::Double, 4));
    }

    #[test]
    fn images_of_one_colour_are_zeros() {
        assert_eq!(moments(&[7; 12]), (7.0, 1.0));
    }
}
