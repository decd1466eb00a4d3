//! The nuclei of one field: what each looks like, and how neighbours are found.

use super::{
    field::Field,
    noise::{count, split},
};

/// One nucleus. Lengths in µm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nucleus {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Half the long and the short diameter.
    pub(super) long: f32,
    pub(super) short: f32,
    /// Direction of the long diameter.
    pub(super) along: [f32; 2],
    /// Half the distance to a neighbour of the same kind.
    pub(super) room: f32,
    pub(super) look: Look,
    pub(super) seed: u32,
}

/// How a nucleus takes the dye; as in [`Cells`](super::traits::Cells).
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) haematoxylin: f32,
    pub(super) vesicular: f32,
    pub(super) chromatin: f32,
    pub(super) grain_um: f32,
    pub(super) nucleolus_um: f32,
    pub(super) irregular: f32,
    pub(super) moulding_gap_um: f32,
    /// Width of the soft rim.
    pub(super) rim_um: f32,
    /// The cell belongs to the lesion's epithelium, whose borders are drawn.
    pub(super) bordered: bool,
}

impl Look {
    pub(super) const PLAIN: Self = Self {
        haematoxylin: 1.4,
        vesicular: 0.05,
        chromatin: 0.2,
        grain_um: 1.4,
        nucleolus_um: 0.0,
        irregular: 0.04,
        moulding_gap_um: -0.5,
        rim_um: 0.5,
        bordered: false,
    };
}

/// All nuclei of a field, in a bucket grid.
pub(super) struct Crowd {
    pub(super) nuclei: Vec<Nucleus>,
    buckets: Vec<Vec<usize>>,
    columns: usize,
    rows: usize,
}

impl Crowd {
    const BUCKET_UM: f32 = 14.0;

    pub(super) fn new(field: &Field) -> Self {
        let along =
            |count_px: usize| usize::try_from(split(count(count_px) * field.um / Self::BUCKET_UM).0).unwrap_or(0) + 3;
        let (columns, rows) = (along(field.width), along(field.height));
        Self { nuclei: Vec::new(), buckets: vec![Vec::new(); columns * rows], columns, rows }
    }

    fn bucket(&self, x: f32, y: f32) -> (usize, usize) {
        let at = |um: f32, end: usize| usize::try_from(split(um / Self::BUCKET_UM).0 + 1).unwrap_or(0).min(end - 1);
        (at(x, self.columns), at(y, self.rows))
    }

    pub(super) fn push(&mut self, nucleus: Nucleus) {
        let (column, row) = self.bucket(nucleus.x, nucleus.y);
        self.buckets[row * self.columns + column].push(self.nuclei.len());
        self.nuclei.push(nucleus);
    }

    /// Calls `visit` with each nucleus within `reach` and some beyond.
    pub(super) fn around(&self, x: f32, y: f32, reach: f32, mut visit: impl FnMut(usize, &Nucleus)) {
        let ((left, top), (right, bottom)) = (self.bucket(x - reach, y - reach), self.bucket(x + reach, y + reach));
        for row in top..=bottom {
            for column in left..=right {
                for index in &self.buckets[row * self.columns + column] {
                    visit(*index, &self.nuclei[*index]);
                }
            }
        }
    }

    pub(super) fn fits(&self, nucleus: &Nucleus) -> bool {
        let mut fits = true;
        self.around(nucleus.x, nucleus.y, nucleus.room + 14.0, |_, other| {
            let (dx, dy) = (other.x - nucleus.x, other.y - nucleus.y);
            let apart = 0.8 * (nucleus.room + other.room);
            fits &= dx * dx + dy * dy > apart * apart;
        });
        fits
    }

    /// Distance to the border between the nearest two bordered cells, and the nearest one's index.
    pub(super) fn border(&self, x: f32, y: f32) -> Option<(f32, usize)> {
        let (mut first, mut second) = ((f32::MAX, 0), f32::MAX);
        self.around(x, y, Self::BUCKET_UM, |index, nucleus| {
            if nucleus.look.bordered {
                let (dx, dy) = (nucleus.x - x, nucleus.y - y);
                // Larger cells reach farther: a power diagram, in units of length.
                let distance = (dx * dx + dy * dy).sqrt() - 0.7 * nucleus.room;
                if distance < first.0 {
                    second = first.0;
                    first = (distance, index);
                } else if distance < second {
                    second = distance;
                }
            }
        });
        (first.0 < f32::MAX).then_some(((second - first.0) / 2.0, first.1))
    }
}
