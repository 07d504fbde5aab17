//! Fewer colours, smaller files: a chart's pixels as places in a short palette.

use std::cmp::Reverse;
use std::collections::HashMap;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// Colours of an image: enough for flat areas and the shades at their smoothed edges, and half the bytes of 256.
const SIZE: usize = 64;

/// An image whose pixels are places in a palette.
pub(super) struct Indexed {
    /// Red, green and blue of each colour.
    pub palette: Vec<u8>,
    /// One byte a pixel.
    pub pixels: Vec<u8>,
}

/// Keeps the `needed` colours and the most frequent others, and replaces the rest by the nearest of these: in a chart
/// only shades at edges move. Colours that the legend explains are needed, however rare their ink.
pub(super) fn index(rgb: &[u8], needed: &[Rgb]) -> Indexed {
    // Flat areas are long stretches of one colour, each of which is looked up once.
    let stretches = || rgb.as_chunks::<3>().0.chunk_by(|left, right| left == right);
    let mut counts: HashMap<Rgb, usize> = HashMap::new();
    for stretch in stretches() {
        *counts.entry(stretch[0]).or_default() += stretch.len();
    }
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|&(colour, count)| (!needed.contains(&colour), Reverse(count), colour));
    let kept: Vec<Rgb> = ranked.iter().take(SIZE).map(|(colour, _)| *colour).collect();
    let places: HashMap<Rgb, u8> = ranked.iter().map(|(colour, _)| (*colour, nearest(&kept, *colour))).collect();
    let mut pixels = Vec::with_capacity(rgb.len() / 3);
    stretches().for_each(|stretch| pixels.resize(pixels.len() + stretch.len(), places[&stretch[0]]));
    Indexed { palette: kept.concat(), pixels }
}

fn nearest(kept: &[Rgb], colour: Rgb) -> u8 {
    let distance =
        |other: &Rgb| -> u32 { other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    let closest = kept.iter().enumerate().min_by_key(|(_, other)| distance(other));
    closest.map_or(0, |(place, _)| place as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour_of(image: &Indexed, pixel: usize) -> &[u8] {
        let place = usize::from(image.pixels[pixel]);
        &image.palette[3 * place..3 * place + 3]
    }

    #[test]
    fn few_colours_are_kept_as_they_are() {
        let image = index(&[255, 255, 255, 0, 0, 0, 255, 255, 255], &[]);
        assert_eq!(image.palette, [255, 255, 255, 0, 0, 0]);
        assert_eq!(image.pixels, [0, 1, 0]);
    }

    #[test]
    fn rare_colours_go_to_their_neighbours_unless_they_are_needed() {
        let common = (0..100u8).flat_map(|shade| [shade, 0, 0, shade, 0, 0]);
        let rgb: Vec<u8> = common.chain([7, 1, 0, 9, 200, 9]).collect();
        let image = index(&rgb, &[[9, 200, 9]]);
        assert_eq!(image.palette.len(), 3 * SIZE);
        assert_eq!(colour_of(&image, 200), [7, 0, 0]);
        assert_eq!(colour_of(&image, 201), [9, 200, 9]);
    }
}
