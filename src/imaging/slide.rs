//! From the fields of a case to the tiles the network reads: quality gate, scale, one stain matrix, tiles.
//!
//! The one front end of H&E: training (`prepare`) and the device (`assess`) both go through [`read_slide`].

use std::time::{Duration, Instant};

use hilum_domain::{Limit, LimitCode, MicronsPerPixel, Refusal, RefusalCode, StainMethod};
use image::{RgbImage, imageops};
use rayon::prelude::*;

use crate::{
    cells::Cells,
    field::{self, Exposure, TissueMask},
    stain::{Normaliser, Stains},
};

/// What the network and the gate ask of fields; the bundle's manifest says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlideContract {
    /// Edge of a tile, in pixels at `scale`.
    pub tile_px: u32,
    /// The scale of the network's input.
    pub scale: MicronsPerPixel,
    /// The share of a field that must be tissue.
    pub min_tissue_share: f64,
    /// The least [`field::focus`] of a usable field.
    pub min_focus: f64,
    /// How fields are brought to one stain.
    pub stain: StainMethod,
    /// Stains further than this from the reference are a limit, in degrees, where the method finds stains.
    pub max_stain_distance_deg: f64,
}

impl SlideContract {
    /// Coarser pixels than this do not show nuclei: four times the paper's 0.5 µm.
    const COARSEST_UM: f64 = 2.0;
}

/// One picture from the microscope.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its pixels, as taken.
    pub image: RgbImage,
    /// Its scale, where it is known.
    pub scale: Option<MicronsPerPixel>,
    /// Whether the file held colour at all: a one-channel file does not.
    pub colour_file: bool,
}

/// What the gate saw in a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldQuality {
    /// Light and colour.
    pub exposure: Exposure,
    /// The share of tissue, 0 to 1.
    pub tissue_share: f64,
    /// Sharpness on tissue.
    pub focus: f64,
    /// Why the field cannot be read, if it cannot.
    pub refusal: Option<Refusal>,
}

/// Judges a field at the scale it has; `number` counts from 1 and names it in the sentence.
#[must_use]
pub fn judge(
    image: &RgbImage,
    colour_file: bool,
    number: usize,
    min_tissue_share: f64,
    min_focus: f64,
) -> FieldQuality {
    let cells = Cells::of(image);
    let tissue = TissueMask::of_cells(&cells, image);
    judge_on(image, &cells, &tissue, colour_file, number, min_tissue_share, min_focus)
}

/// [`judge`] where the cells and the tissue are known already.
pub(crate) fn judge_on(
    image: &RgbImage,
    cells: &Cells,
    tissue: &TissueMask,
    colour_file: bool,
    number: usize,
    min_tissue_share: f64,
    min_focus: f64,
) -> FieldQuality {
    let exposure = Exposure::of_cells(cells);
    let tissue_share = tissue.share();
    let focus = field::focus(image, tissue);
    let refuse = |code, what: String| Some(Refusal::new(code, format!("image {number} {what}")));
    let refusal = if exposure.is_dark() {
        refuse(RefusalCode::TooDark, format!("is too dark (mean level {:.0} of 255)", exposure.mean_level))
    } else if tissue_share < 0.01 {
        refuse(RefusalCode::Blank, "shows no tissue".to_owned())
    } else if !colour_file || !exposure.coloured {
        refuse(RefusalCode::NotColour, "has no colour: H&E cannot be told apart in it".to_owned())
    } else if tissue_share < min_tissue_share {
        refuse(
            RefusalCode::TooLittleTissue,
            format!("shows {:.0}% tissue, {:.0}% is needed", tissue_share * 100.0, min_tissue_share * 100.0),
        )
    } else if focus < min_focus {
        refuse(RefusalCode::Blurred, format!("is out of focus (sharpness {focus:.3}, {min_focus:.3} is needed)"))
    } else {
        None
    };
    FieldQuality { exposure, tissue_share, focus, refusal }
}

/// Why a field cannot be brought to the network's scale, if it cannot. To be asked before [`field::rescale`], which would
/// have to invent the pixels.
#[must_use]
pub fn too_coarse(
    image: &RgbImage,
    scale: MicronsPerPixel,
    number: usize,
    contract: &SlideContract,
) -> Option<Refusal> {
    let what = if scale.um() > SlideContract::COARSEST_UM {
        format!("image {number} has {:.2} µm per pixel: nuclei cannot be seen", scale.um())
    } else if field::size_at(image.width(), image.height(), scale, contract.scale).is_none() {
        format!("image {number} is too large for its {:.2} µm per pixel", scale.um())
    } else {
        return None;
    };
    Some(Refusal::new(RefusalCode::ScaleTooCoarse, what))
}

/// A tile, normalised, and where it was cut.
#[derive(Debug, Clone)]
pub struct SlideTile {
    /// Zero-based position of its field among those given.
    pub field: usize,
    /// Upper left corner in the field as taken, in pixels.
    pub origin: [u32; 2],
    /// Edge in the field as taken, in pixels.
    pub edge: u32,
    /// The share of it that is tissue.
    pub tissue_share: f64,
    /// Stain-normalised pixels at the network's scale.
    pub image: RgbImage,
}

/// What the H&E branch reads.
#[derive(Debug, Clone)]
pub struct Slide {
    /// The tiles of all readable fields, in reading order.
    pub tiles: Vec<SlideTile>,
    /// One stain estimate for the case.
    pub stain: Normaliser,
    /// What the gate saw, one entry a field.
    pub quality: Vec<FieldQuality>,
    /// What weakens the reading.
    pub limits: Vec<Limit>,
}

/// Fewer tiles than this say little about a tumour that is mixed.
const FEW_TILES: usize = 4;

/// Gates, rescales, stain-normalises and tiles the fields of a case.
///
/// `known` is the slide's stain, where it is known from more than these fields; as a rule they say it. A field that fails the gate is
/// left out with a limit as long as another one passes. `took` is told how long each
/// stage (`quality`, `stain`, `tiles`) took.
///
/// # Errors
/// The refusal of the first field if none passes; one for the case if its scale is not known or its stain is degenerate.
pub fn read_slide(
    fields: Vec<Field>,
    known: Option<Normaliser>,
    contract: &SlideContract,
    took: &mut dyn FnMut(&'static str, Duration),
) -> Result<Slide, Refusal> {
    let count = fields.len();
    let mut from = Instant::now();
    let mut stage = |name| took(name, std::mem::replace(&mut from, Instant::now()).elapsed());
    for (index, field) in fields.iter().enumerate() {
        // A grey or blank picture is refused for what it shows: its scale would not help.
        if field.scale.is_none() && judge(&field.image, field.colour_file, index + 1, 0.0, 0.0).refusal.is_none() {
            return Err(scale_unknown(index + 1));
        }
    }
    let judged: Vec<(FieldQuality, Option<Scaled>)> =
        fields.into_par_iter().enumerate().map(|(index, field)| scale_and_judge(field, index, contract)).collect();
    let (quality, scaled): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    stage("quality");
    let usable: Vec<Scaled> = scaled.into_iter().flatten().collect();
    if usable.is_empty() {
        let refusal = quality.iter().find_map(|field| field.refusal.clone());
        return Err(refusal.unwrap_or_else(|| Refusal::new(RefusalCode::TooLittleTissue, "no image was given")));
    }
    let mut limits: Vec<Limit> = quality
        .iter()
        .filter_map(|field| field.refusal.as_ref())
        .map(|refusal| Limit::new(LimitCode::FieldLeftOut, format!("{} and was left out", refusal.message)))
        .collect();

    let stain = match known {
        Some(known) => known,
        None => {
            let pixels: Vec<Vec<u8>> = usable.par_iter().map(Scaled::tissue_pixels).collect();
            let parts: Vec<&[u8]> = pixels.iter().map(Vec::as_slice).collect();
            Normaliser::of_pixels(contract.stain, &parts)?
        }
    };
    stage("stain");
    if let Some(distance_deg) = stain.stains().map(Stains::distance_deg)
        && distance_deg > contract.max_stain_distance_deg
    {
        limits.push(Limit::new(
            LimitCode::StainUnusual,
            format!("the stain is {distance_deg:.0} degrees from the reference"),
        ));
    }
    let tiles: Vec<SlideTile> = usable.par_iter().flat_map_iter(|field| field.tiles(&stain, contract)).collect();
    stage("tiles");
    if tiles.is_empty() {
        return Err(no_tile(count));
    }
    if tiles.len() < FEW_TILES {
        limits.push(Limit::new(LimitCode::FewTiles, format!("only {} tiles show enough tissue", tiles.len())));
    }
    Ok(Slide { tiles, stain, quality, limits })
}

/// The refusal of a field whose scale nobody says.
pub(crate) fn scale_unknown(number: usize) -> Refusal {
    Refusal::new(
        RefusalCode::ScaleUnknown,
        format!("the scale of image {number} is not known: the file does not say it and none was given"),
    )
}

/// The refusal of a case of `count` fields without a tile.
pub(crate) fn no_tile(count: usize) -> Refusal {
    Refusal::new(RefusalCode::TooLittleTissue, format!("no tile of the {count} images shows enough tissue"))
}

/// A field that passed the gate, at the network's scale.
struct Scaled {
    index: usize,
    image: RgbImage,
    tissue: TissueMask,
    /// Its size as taken, in pixels.
    native: [u32; 2],
}

fn scale_and_judge(field: Field, index: usize, contract: &SlideContract) -> (FieldQuality, Option<Scaled>) {
    let Field { image, scale, colour_file } = field;
    // Fields without a scale were dealt with before; for those that are refused anyway the scale does not matter.
    let scale = scale.unwrap_or(contract.scale);
    let native = [image.width(), image.height()];
    let number = index + 1;
    // Too coarse a scale looks blurred, too: name the cause, not its effect.
    if let Some(refusal) = too_coarse(&image, scale, number, contract) {
        let seen = judge(&image, colour_file, number, contract.min_tissue_share, contract.min_focus);
        return (FieldQuality { refusal: Some(refusal), ..seen }, None);
    }
    let image = field::rescale(image, scale, contract.scale);
    let cells = Cells::of(&image);
    let tissue = TissueMask::of_cells(&cells, &image);
    let quality = judge_scaled(&image, &cells, &tissue, colour_file, number, contract);
    if quality.refusal.is_some() {
        return (quality, None);
    }
    (quality, Some(Scaled { index, image, tissue, native }))
}

/// Judges a field at the network's scale.
pub(crate) fn judge_scaled(
    image: &RgbImage,
    cells: &Cells,
    tissue: &TissueMask,
    colour_file: bool,
    number: usize,
    contract: &SlideContract,
) -> FieldQuality {
    let mut quality =
        judge_on(image, cells, tissue, colour_file, number, contract.min_tissue_share, contract.min_focus);
    // A scrap has no sharpness of its own: name the cause.
    let unseen = quality.refusal.as_ref().is_none_or(|refusal| refusal.code == RefusalCode::Blurred);
    if unseen && image.width().min(image.height()) < contract.tile_px {
        let edge_um = f64::from(contract.tile_px) * contract.scale.um();
        let what = format!("image {number} is smaller than one tile of {edge_um:.0} µm");
        quality.refusal = Some(Refusal::new(RefusalCode::TooSmall, what));
    }
    quality
}

/// The bytes of all pixels on tissue.
pub(crate) fn tissue_pixels(image: &RgbImage, tissue: &TissueMask) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(image.as_raw().len());
    for (x, y, pixel) in image.enumerate_pixels() {
        if tissue.at(x, y) {
            bytes.extend_from_slice(&pixel.0);
        }
    }
    bytes
}

impl Scaled {
    fn tissue_pixels(&self) -> Vec<u8> {
        tissue_pixels(&self.image, &self.tissue)
    }

    /// The upper left corner and the edge of a tile in the field as taken, where it never leaves the field: sizes are rounded
    /// when a field is scaled, and again here.
    fn as_taken(&self, corner: [u32; 2], edge: u32) -> ([u32; 2], u32) {
        let scaled = [self.image.width(), self.image.height()];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the field as taken")]
        let along = |axis: usize, length: u32| {
            (f64::from(length) * f64::from(self.native[axis]) / f64::from(scaled[axis])).round() as u32
        };
        let edge = along(0, edge).min(self.native[0]).min(self.native[1]);
        ([0, 1].map(|axis| along(axis, corner[axis]).min(self.native[axis] - edge)), edge)
    }

    fn tiles(&self, stain: &Normaliser, contract: &SlideContract) -> Vec<SlideTile> {
        let edge = contract.tile_px;
        field::tiles(self.image.width(), self.image.height(), &self.tissue, edge, contract.min_tissue_share)
            .into_iter()
            .map(|tile| {
                let cut = imageops::crop_imm(&self.image, tile.x, tile.y, edge, edge).to_image();
                let (origin, native_edge) = self.as_taken([tile.x, tile.y], edge);
                SlideTile {
                    field: self.index,
                    origin,
                    edge: native_edge,
                    tissue_share: tile.tissue_share,
                    image: stain.normalise(&cut),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> SlideContract {
        SlideContract {
            tile_px: 64,
            scale: MicronsPerPixel::new(0.5).expect("positive"),
            min_tissue_share: 0.05,
            min_focus: 0.2,
            stain: StainMethod::Macenko,
            max_stain_distance_deg: 30.0,
        }
    }

    fn tissue(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb(match (x / 4 * 7 + y / 3 * 5) % 4 {
                0 => [103, 81, 130],
                1 => [197, 117, 145],
                2 => [220, 180, 190],
                _ => [140, 95, 140],
            })
        })
    }

    fn field(image: RgbImage, um: Option<f64>) -> Field {
        Field { image, scale: um.and_then(MicronsPerPixel::new), colour_file: true }
    }

    #[track_caller]
    fn check(fields: Vec<Field>, want: Result<usize, RefusalCode>) {
        let found = read_slide(fields, None, &contract(), &mut |_, _| ())
            .map(|slide| slide.tiles.len())
            .map_err(|refusal| refusal.code);
        assert_eq!(found, want);
    }

    #[test]
    fn a_good_field_is_tiled() {
        check(vec![field(tissue(256, 128), Some(0.5))], Ok(8));
    }

    #[test]
    fn a_finer_field_covers_less() {
        check(
            vec![field(imageops::resize(&tissue(256, 128), 512, 256, imageops::FilterType::Nearest), Some(0.25))],
            Ok(8),
        );
    }

    #[test]
    fn tiles_are_placed_in_the_field_as_taken() {
        let doubled = imageops::resize(&tissue(256, 128), 512, 256, imageops::FilterType::Nearest);
        let slide = read_slide(vec![field(doubled, Some(0.25))], None, &contract(), &mut |_, _| ()).expect("read");
        let last = slide.tiles.last().expect("tiles");
        assert_eq!((last.origin, last.edge), ([384, 128], 128));
    }

    #[test]
    fn tiles_never_leave_the_field_as_taken() {
        for (width, height, um) in [(561, 561, 0.3993), (561, 419, 0.3993), (419, 561, 0.3993), (300, 701, 0.37)] {
            let image = imageops::resize(&tissue(256, 256), width, height, imageops::FilterType::Nearest);
            for tile_px in [64, 112, 128] {
                let contract = SlideContract { tile_px, min_focus: 0.0, ..contract() };
                let fields = vec![field(image.clone(), Some(um))];
                let slide = read_slide(fields, None, &contract, &mut |_, _| ()).expect("read");
                assert!(!slide.tiles.is_empty());
                for tile in slide.tiles {
                    let [x, y] = tile.origin;
                    assert!(
                        x + tile.edge <= width && y + tile.edge <= height,
                        "{x} {y} {} {width} {height}",
                        tile.edge
                    );
                }
            }
        }
    }

    // verifies: REQ-SLIDE-04
    #[test]
    fn the_contract_says_by_which_method_tiles_are_normalised() {
        let of = |stain, max_stain_distance_deg| {
            let contract = SlideContract { stain, max_stain_distance_deg, ..contract() };
            read_slide(vec![field(tissue(256, 128), Some(0.5))], None, &contract, &mut |_, _| ()).expect("read")
        };
        let mut seen: Vec<RgbImage> = Vec::new();
        for method in StainMethod::ALL {
            let slide = of(method, 30.0);
            assert_eq!(slide.stain.method(), method);
            assert!(!seen.contains(&slide.tiles[0].image), "{}", method.name());
            seen.push(slide.tiles[0].image.clone());
            // Any stain is too far from the reference for this contract; a method without stains has no distance.
            let limits = of(method, 0.0).limits;
            let unusual = limits.iter().any(|limit| limit.code == LimitCode::StainUnusual);
            assert_eq!(unusual, method != StainMethod::Reinhard, "{}", method.name());
        }
    }

    // verifies: REQ-SLIDE-01, REQ-SLIDE-02
    #[test]
    fn every_kind_of_bad_field_has_its_refusal() {
        let flat = |level: u8| RgbImage::from_pixel(256, 256, image::Rgb([level; 3]));
        check(vec![field(flat(255), Some(0.5))], Err(RefusalCode::Blank));
        check(vec![field(flat(255), None)], Err(RefusalCode::Blank));
        check(vec![field(flat(3), Some(0.5))], Err(RefusalCode::TooDark));
        check(vec![field(flat(120), Some(0.5))], Err(RefusalCode::NotColour));
        check(vec![field(tissue(256, 256), None)], Err(RefusalCode::ScaleUnknown));
        check(vec![field(tissue(60, 60), Some(0.5))], Err(RefusalCode::TooSmall));
        for um in [3.0, 20.0, 100.0, 1e300] {
            check(vec![field(tissue(256, 256), Some(um))], Err(RefusalCode::ScaleTooCoarse));
        }
        check(vec![field(imageops::blur(&tissue(256, 256), 6.0), Some(0.5))], Err(RefusalCode::Blurred));
    }

    // verifies: REQ-RESULT-04
    #[test]
    fn a_bad_field_beside_a_good_one_is_a_limit() {
        let white = RgbImage::from_pixel(256, 256, image::Rgb([255; 3]));
        let slide = read_slide(
            vec![field(white, Some(0.5)), field(tissue(256, 256), Some(0.5))],
            None,
            &contract(),
            &mut |_, _| (),
        )
        .expect("read");
        assert!(slide.limits.iter().any(|limit| limit.code == LimitCode::FieldLeftOut));
        assert!(slide.tiles.iter().all(|tile| tile.field == 1));
    }
}
