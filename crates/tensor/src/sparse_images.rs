//! Images that are one value nearly everywhere, such as the paper around a digit, and a layer's products with them that
//! leave that value out.
//!
//! With c the background, an image is x = c + s, and s is zero in most pixels. So a layer's product x W^T is s W^T plus c
//! times the sum of each row of W, and the gradient delta^T x of its weight is delta^T s plus c times the sum of delta
//! over the samples, the same in every column. What is left are sums over the pixels that differ.

use multiversion::multiversion;
use tch::{Kind, Tensor};

use crate::layer::Layer;
use crate::slices::{on_host, view, view_mut};

/// The share of pixels that the background must cover at least, so that leaving it out is faster.
const LEAST_BACKGROUND: f64 = 2.0 / 3.0;
/// Units that are summed up at once: few enough for the registers.
const UNITS: usize = 64;
/// Pixels at a time: few enough for their weights to stay in the cache while the minibatch passes by.
const PIXELS: usize = 400;

/// What is summed for each of `UNITS` units, in the shape of cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([f32; UNITS]);

const ZERO: Lanes = Lanes([0.0; UNITS]);

/// A pixel of an image, or an image at a pixel, and how far it is from the background.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    index: u32,
    value: f32,
}

/// Lists of entries, one after the other.
#[derive(Debug)]
struct Lists {
    /// Where each list begins, and where the last ends.
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

impl Lists {
    fn get(&self, list: usize) -> &[Entry] {
        &self.entries[self.starts[list]..self.starts[list + 1]]
    }
}

/// Images without their background, f32: those of a task, or those of a minibatch.
#[derive(Debug)]
pub struct SparseImages {
    features: usize,
    background: f32,
    /// For each `PIXELS` pixels a list for each image, indexed from the first of these pixels.
    blocks: Vec<Lists>,
}

impl SparseImages {
    /// From images (N x features), if they are f32 and one value covers enough of their pixels.
    pub fn of(images: &Tensor) -> Option<SparseImages> {
        if images.kind() != Kind::Float || !on_host(images) || images.numel() == 0 {
            return None;
        }
        let images = images.contiguous();
        let features = images.size()[1] as usize;
        // SAFETY: images are written once, before anybody trains on them.
        let pixels = unsafe { view::<f32>(&images) };
        let background = majority(pixels);
        let covered = pixels.iter().filter(|&&pixel| pixel == background).count();
        if (covered as f64) < LEAST_BACKGROUND * pixels.len() as f64 {
            return None;
        }
        let blocks = (0..features).step_by(PIXELS).map(|first| {
            let mut lists = Lists { starts: vec![0], entries: Vec::new() };
            for image in pixels.chunks_exact(features) {
                let block = image[first..features.min(first + PIXELS)].iter().zip(0..);
                let differing = block.filter(|&(&pixel, _)| pixel != background);
                lists.entries.extend(differing.map(|(&pixel, index)| Entry { index, value: pixel - background }));
                lists.starts.push(lists.entries.len());
            }
            lists
        });
        Some(SparseImages { features, background, blocks: blocks.collect() })
    }

    /// The images `rows`, in this order. They are read again and again, and lie apart in what may be a hundred megabytes:
    /// copied side by side, they are fetched once, several at a time.
    pub fn batch(&self, rows: &[i64]) -> SparseImages {
        let blocks = self.blocks.iter().map(|block| {
            let lists = || rows.iter().map(|&row| block.get(row as usize));
            let mut batch = Lists { starts: vec![0], entries: Vec::with_capacity(lists().map(<[Entry]>::len).sum()) };
            for list in lists() {
                batch.entries.extend_from_slice(list);
                batch.starts.push(batch.entries.len());
            }
            batch
        });
        SparseImages { features: self.features, background: self.background, blocks: blocks.collect() }
    }

    /// How many there are, N.
    fn count(&self) -> usize {
        self.blocks[0].starts.len() - 1
    }

    /// The layer's pre-activation x W^T + b, N x out.
    pub fn linear(&self, layer: &Layer) -> Tensor {
        let (count, units) = (self.count(), layer.weight().size()[0] as usize);
        let mut result = Tensor::empty([count as i64, units as i64], (Kind::Float, layer.weight().device()));
        let bias = layer.bias().expect("a layer of a network has a bias");
        // SAFETY: parameters are only read, and the result is new.
        let (weight, bias, out) =
            unsafe { (view::<f32>(layer.weight()), view::<f32>(bias), view_mut::<f32>(&mut result)) };
        let mut panel = vec![ZERO; PIXELS.min(self.features)];
        for first in (0..units).step_by(UNITS) {
            let width = UNITS.min(units - first);
            let mut start = ZERO;
            start.0[..width].copy_from_slice(&bias[first..first + width]);
            let mut sums = vec![start; count];
            for (block, lists) in self.blocks.iter().enumerate() {
                let from = block * PIXELS;
                let panel = &mut panel[..PIXELS.min(self.features - from)];
                for (pixel, lanes) in panel.iter_mut().enumerate() {
                    for (unit, lane) in lanes.0[..width].iter_mut().enumerate() {
                        *lane = weight[(first + unit) * self.features + from + pixel];
                    }
                }
                let lists: Vec<&[Entry]> = (0..count).map(|image| lists.get(image)).collect();
                add_products(self.background, &lists, panel, &mut sums);
            }
            for (row, sum) in out.chunks_exact_mut(units).zip(&sums) {
                row[first..first + width].copy_from_slice(&sum.0[..width]);
            }
        }
        result
    }

    /// delta^T x, out x features, with the gradient delta at the pre-activation, N x out.
    pub fn weight_gradient(&self, delta: &Tensor) -> Tensor {
        let delta = delta.contiguous();
        let units = delta.size()[1] as usize;
        let mut result = Tensor::empty([units as i64, self.features as i64], (Kind::Float, delta.device()));
        // SAFETY: delta is only read, and the result is new.
        let (delta, out) = unsafe { (view::<f32>(&delta), view_mut::<f32>(&mut result)) };
        let columns = self.columns();
        let lists: Vec<&[Entry]> = (0..self.features).map(|pixel| columns.get(pixel)).collect();
        let mut panel = vec![ZERO; self.count()];
        for first in (0..units).step_by(UNITS) {
            let width = UNITS.min(units - first);
            for (lanes, row) in panel.iter_mut().zip(delta.chunks_exact(units)) {
                lanes.0[..width].copy_from_slice(&row[first..first + width]);
            }
            let mut sums = vec![ZERO; self.features];
            add_products(self.background, &lists, &panel, &mut sums);
            // A few pixels at a time, so that what is read across stays in the nearest cache.
            for (tile, sums) in sums.chunks(16).enumerate() {
                for unit in 0..width {
                    let row = &mut out[(first + unit) * self.features + tile * 16..][..sums.len()];
                    for (entry, sum) in row.iter_mut().zip(sums) {
                        *entry = sum.0[unit];
                    }
                }
            }
        }
        result
    }

    /// For each pixel a list of the images that differ there.
    fn columns(&self) -> Lists {
        let mut starts = vec![0; self.features + 1];
        self.for_each_entry(|pixel, _| starts[pixel + 1] += 1);
        for pixel in 0..self.features {
            starts[pixel + 1] += starts[pixel];
        }
        let mut entries = vec![Entry::default(); starts[self.features]];
        let mut next = starts.clone();
        self.for_each_entry(|pixel, entry| {
            entries[next[pixel]] = entry;
            next[pixel] += 1;
        });
        Lists { starts, entries }
    }

    /// Visits what differs, in the order of the images at every pixel, indexed by image.
    fn for_each_entry(&self, mut visit: impl FnMut(usize, Entry)) {
        for (block, lists) in self.blocks.iter().enumerate() {
            for (image, sample) in (0..self.count()).zip(0..) {
                for &Entry { index, value } in lists.get(image) {
                    visit(block * PIXELS + index as usize, Entry { index: sample, value });
                }
            }
        }
    }
}

/// The value of more than half of the pixels, if there is one (Boyer and Moore's vote).
fn majority(pixels: &[f32]) -> f32 {
    let (mut candidate, mut votes) = (0.0, 0u64);
    for &pixel in pixels {
        if votes == 0 {
            (candidate, votes) = (pixel, 1);
        } else if pixel == candidate {
            votes += 1;
        } else {
            votes -= 1;
        }
    }
    candidate
}

/// Adds to each sum the background times all rows of the panel, and each of its list's values times the row that it
/// points to. Multiplied and added one after the other, so that every processor comes to the same bits.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_products(background: f32, lists: &[&[Entry]], panel: &[Lanes], sums: &mut [Lanes]) {
    let mut total = ZERO;
    for row in panel {
        for unit in 0..UNITS {
            total.0[unit] += row.0[unit];
        }
    }
    for (list, result) in lists.iter().zip(sums) {
        let mut sum = *result;
        for unit in 0..UNITS {
            sum.0[unit] += background * total.0[unit];
        }
        for entry in *list {
            let row = &panel[entry.index as usize];
            for unit in 0..UNITS {
                sum.0[unit] += entry.value * row.0[unit];
            }
        }
        *result = sum;
    }
}

#[cfg(test)]
mod tests;
