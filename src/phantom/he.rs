//! A synthetic microscope field of lung tissue stained with haematoxylin and eosin.
//!
//! The order of work is the order of this file: how the site prepares and scans a slide ([`Preparation`]), what kind of
//! tissue the case is ([`Traits`]), where each tissue lies in one field, which nuclei lie in it, and how the two dyes
//! become an image. Lengths are in µm until the last section, so that a field looks the same at any scale.
//!
//! The picture is meant to be as ambiguous as slides are: every class has members that resemble another one (poorly
//! differentiated adenocarcinoma and squamous carcinoma resemble large cell carcinoma, lepidic growth resembles reactive
//! pneumocytes, granuloma and lymphoid aggregates resemble tumour), and no stain or scanner belongs to a class.
//!
//! Bytes are equal on every machine: `libm` for what is not exact in IEEE 754, hashes for noise, one thread.

use hilum_domain::{Class, Specimen};
use image::{GrayImage, RgbImage};

use crate::Random;

// ---------------------------------------------------------------------------------------------------------------------
// Preparation: stains, light and scanner of one site
// ---------------------------------------------------------------------------------------------------------------------

/// Optical density of haematoxylin in R, G, B, unit length (Macenko et al., ISBI 2009, reference matrix).
pub const HAEMATOXYLIN: [f64; 3] = [0.5626, 0.7201, 0.4062];
/// Optical density of eosin in R, G, B, unit length (same source).
pub const EOSIN: [f64; 3] = [0.2159, 0.8012, 0.5581];
/// The least angle between the two stains, in degrees; the reference pair is 22° apart.
const LEAST_STAIN_ANGLE_DEG: f64 = 17.0;

/// What one laboratory does to every slide.
struct Site {
    haematoxylin_shift: [f64; 3],
    eosin_shift: [f64; 3],
    gains: [f64; 2],
    light: [f64; 3],
    blur_px: f64,
    noise_levels: f64,
}

/// Four laboratories: a neutral one, a blue and heavy one, a pink and pale one, a yellowish camera.
const SITES: [Site; 4] = [
    Site {
        haematoxylin_shift: [0.0, 0.0, 0.0],
        eosin_shift: [0.0, 0.0, 0.0],
        gains: [1.0, 1.0],
        light: [243.0, 242.0, 244.0],
        blur_px: 0.65,
        noise_levels: 1.4,
    },
    Site {
        haematoxylin_shift: [0.08, -0.03, -0.07],
        eosin_shift: [-0.05, 0.02, -0.02],
        gains: [1.14, 0.90],
        light: [236.0, 239.0, 246.0],
        blur_px: 0.85,
        noise_levels: 1.9,
    },
    Site {
        haematoxylin_shift: [-0.02, 0.03, 0.02],
        eosin_shift: [-0.07, 0.05, -0.07],
        gains: [0.84, 1.12],
        light: [246.0, 243.0, 245.0],
        blur_px: 0.75,
        noise_levels: 1.2,
    },
    Site {
        haematoxylin_shift: [0.05, 0.02, -0.09],
        eosin_shift: [0.01, -0.04, 0.05],
        gains: [0.96, 0.84],
        light: [241.0, 237.0, 229.0],
        blur_px: 0.95,
        noise_levels: 2.3,
    },
];

/// Stain, scanner and preparation of one site; drawn once a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Optical density of haematoxylin in R, G, B at concentration 1; unit length.
    pub haematoxylin: [f64; 3],
    /// Optical density of eosin in R, G, B at concentration 1; unit length.
    pub eosin: [f64; 3],
    /// Stained concentration per concentration of the tissue, for haematoxylin and eosin, 0.7 to 1.35.
    pub gains: [f64; 2],
    /// Levels of empty glass in R, G, B, 225 to 250.
    pub light: [f64; 3],
    /// Standard deviation of the optics' blur, in px of the field, 0.5 to 1.2.
    pub blur_px: f64,
    /// Standard deviation of the camera's noise, in levels, 1 to 3.
    pub noise_levels: f64,
}

impl Preparation {
    /// The preparation of one case at `site` (0 to 3; others wrap around).
    pub fn draw(site: usize, random: &mut Random) -> Self {
        let site = &SITES[site % SITES.len()];
        let mut shift = |of: [f64; 3]| of.map(|shift| shift + random.normal(0.0, 0.02));
        let (mut h_shift, mut e_shift) = (shift(site.haematoxylin_shift), shift(site.eosin_shift));
        let [haematoxylin, eosin] = loop {
            let pair = [shifted(HAEMATOXYLIN, h_shift), shifted(EOSIN, e_shift)];
            let cosine: f64 = pair[0].iter().zip(pair[1]).map(|(h, e)| h * e).sum();
            if cosine <= libm::cos(LEAST_STAIN_ANGLE_DEG.to_radians()) {
                break pair;
            }
            h_shift = h_shift.map(|shift| shift * 0.7);
            e_shift = e_shift.map(|shift| shift * 0.7);
        };
        let brightness = random.normal(0.0, 2.5);
        Self {
            haematoxylin,
            eosin,
            gains: site.gains.map(|gain| random.log_normal(gain, 0.08).clamp(0.7, 1.35)),
            light: site.light.map(|level| (level + brightness + random.normal(0.0, 0.8)).clamp(225.0, 250.0)),
            blur_px: random.log_normal(site.blur_px, 0.12).clamp(0.5, 1.2),
            noise_levels: random.log_normal(site.noise_levels, 0.15).clamp(1.0, 3.0),
        }
    }
}

/// `vector` moved by `shift`, positive and of unit length.
fn shifted(vector: [f64; 3], shift: [f64; 3]) -> [f64; 3] {
    let moved: [f64; 3] = std::array::from_fn(|channel| (vector[channel] + shift[channel]).max(0.05));
    let length = moved.iter().map(|part| part * part).sum::<f64>().sqrt();
    moved.map(|part| part / length)
}

// ---------------------------------------------------------------------------------------------------------------------
// Traits: what all fields of one case share
// ---------------------------------------------------------------------------------------------------------------------

/// How a lesion is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// Glands with lumens in stroma.
    Acinar,
    /// Tumour cells along alveolar walls.
    Lepidic,
    /// Fibrovascular cores with a lining.
    Papillary,
    /// Nests and sheets of any size, with or without keratin.
    Nests,
    /// Benign: normal lung with nothing in it.
    Quiet,
    /// Benign: type-II pneumocytes along thickened alveolar walls.
    Reactive,
    /// Benign: scar.
    Scar,
    /// Benign: lymphoid tissue.
    Lymphoid,
    /// Benign: epithelioid histiocytes.
    Granuloma,
    /// Benign: bronchial wall with seromucinous glands.
    Glands,
    /// Benign: bronchial lining, flat or squamous-metaplastic.
    Lining,
}

impl Pattern {
    const fn has_air(self) -> bool {
        matches!(self, Self::Lepidic | Self::Papillary | Self::Reactive)
    }
}

/// The lesion's cells. Lengths in µm, dyes in units of concentration.
#[derive(Debug, Clone, Copy)]
struct Cells {
    /// Median long diameter of a nucleus.
    nucleus_um: f32,
    /// Standard deviation of its logarithm.
    spread: f32,
    aspect: f32,
    haematoxylin: f32,
    /// How much of the nucleus' centre is cleared, 0 to 1.
    vesicular: f32,
    /// Contrast and grain of the chromatin.
    chromatin: f32,
    grain_um: f32,
    /// How often a nucleolus is seen, and its diameter.
    nucleoli: f32,
    nucleolus_um: f32,
    irregular: f32,
    /// Diameter of the cell per diameter of its nucleus.
    cell_ratio: f32,
    cytoplasm_e: f32,
    cytoplasm_h: f32,
    /// How clear the borders between cells are: above 0 bright gaps with bridges, below 0 dark membranes.
    gaps: f32,
    /// Space between neighbouring nuclei where they press on each other; negative lets them overlap.
    moulding_gap_um: f32,
}

/// What all fields of one case share: growth pattern, grade, cells, and what else is in the tissue.
#[derive(Debug, Clone)]
pub struct Traits {
    phenotype: Class,
    pattern: Pattern,
    second_pattern: Pattern,
    cells: Cells,
    /// Share of the tissue that the lesion takes.
    share: f64,
    /// Share of the lesion that is nests, the rest being stroma (`Pattern::Nests` only).
    nest_share: f64,
    nest_scale_um: f64,
    /// How often a deep place of a nest has a keratin pearl; how many single cells keratinise.
    pearls: f64,
    dyskeratosis: f32,
    /// How many cells hold a mucin vacuole.
    vacuoles: f32,
    /// Share of glands that are solid, and of those that are cribriform.
    solid_glands: f32,
    cribriform: f32,
    /// 0 one layer of basal nuclei, 1 nuclei at every height.
    stratified: f32,
    rosettes: f64,
    necrosis: f64,
    lymphocytes: f64,
    crush: f64,
    /// 0 fresh, 1 nuclei are fading shadows.
    autolysis: f32,
    /// Eosin of collagen.
    collagen: f32,
    desmoplasia_um: f32,
    anthracosis: f64,
    blood: f64,
    macrophages: f64,
    /// Share of what is not lesion that is stroma, not lung.
    stroma_share: f64,
    /// Share of aerated lung that is tissue.
    wall_share: f64,
}

impl Traits {
    /// The traits of one case of `phenotype`; `obscurity` as in [`Request`].
    pub fn draw(phenotype: Class, obscurity: f64, random: &mut Random) -> Self {
        let obscurity = obscurity.clamp(0.0, 1.0);
        // 1 well, 0 poorly differentiated: a poorly differentiated case keeps few of its class' signs.
        let grade = (random.unit() * (1.1 - 0.55 * obscurity) + 0.08 * (1.0 - obscurity)).clamp(0.0, 1.0);
        let mut traits = Self::common(phenotype, obscurity, random);
        match phenotype {
            Class::Adenocarcinoma => traits.adenocarcinoma(grade, random),
            Class::SquamousCellCarcinoma => traits.squamous(grade, random),
            Class::LargeCellCarcinoma => traits.large_cell(random),
            Class::SmallCellCarcinoma => traits.small_cell(obscurity, random),
            Class::Normal => traits.normal(obscurity, random),
        }
        // Section thickness and dyeing time change every nucleus of a case alike.
        traits.cells.haematoxylin *= single(random.log_normal(1.0, 0.12));
        traits.cells.cytoplasm_e *= single(random.log_normal(1.0, 0.18));
        traits.cells.cytoplasm_h *= single(random.log_normal(1.0, 0.25));
        traits
    }

    /// What is drawn alike for every class.
    fn common(phenotype: Class, obscurity: f64, random: &mut Random) -> Self {
        Self {
            phenotype,
            pattern: Pattern::Nests,
            second_pattern: Pattern::Nests,
            cells: Cells {
                nucleus_um: 12.0,
                spread: 0.16,
                aspect: 1.3,
                haematoxylin: 1.3,
                vesicular: 0.3,
                chromatin: 0.25,
                grain_um: 1.3,
                nucleoli: 0.4,
                nucleolus_um: 1.8,
                irregular: 0.06,
                cell_ratio: 1.6,
                cytoplasm_e: 0.5,
                cytoplasm_h: 0.2,
                gaps: -0.3,
                moulding_gap_um: -0.6,
            },
            share: (random.range(0.5, 1.05) * (1.0 - 0.48 * obscurity)).clamp(0.3, 0.95),
            nest_share: random.range(0.6, 0.9),
            nest_scale_um: random.range(70.0, 140.0),
            pearls: 0.0,
            dyskeratosis: 0.0,
            vacuoles: 0.0,
            solid_glands: 0.0,
            cribriform: 0.0,
            stratified: 0.3,
            rosettes: 0.0,
            necrosis: if random.chance(0.25 + 0.3 * obscurity) { random.range(0.03, 0.22) } else { 0.0 },
            lymphocytes: random.unit() * (0.5 + 0.5 * obscurity),
            crush: if random.chance(0.15 + 0.5 * obscurity) {
                random.range(0.04, 0.12 + 0.35 * obscurity)
            } else {
                0.0
            },
            autolysis: single(obscurity * random.unit() * 0.8),
            collagen: single(random.range(0.5, 0.9)),
            desmoplasia_um: single(random.range(5.0, 60.0)),
            anthracosis: if random.chance(0.5) { random.range(0.2, 1.0) } else { 0.0 },
            blood: if random.chance(0.4) { random.range(0.1, 1.0) } else { 0.05 },
            macrophages: random.unit(),
            stroma_share: random.range(0.05, 0.75),
            wall_share: random.range(0.35, 0.7),
        }
    }

    /// Nuclei of 10 to 16 µm, one of five growth patterns (WHO 2021: lepidic, acinar, papillary, micropapillary, solid).
    fn adenocarcinoma(&mut self, grade: f64, random: &mut Random) {
        const PATTERNS: [Pattern; 4] = [Pattern::Acinar, Pattern::Lepidic, Pattern::Papillary, Pattern::Nests];
        let poor = 1.0 - grade;
        let weights = [0.9, 0.25 + 0.6 * grade, 0.4, 0.15 + 0.7 * poor * poor];
        self.pattern = PATTERNS[random.weighted(&weights)];
        self.second_pattern = PATTERNS[random.weighted(&weights)];
        self.cells.nucleus_um = single(random.normal(11.4 + 2.2 * poor, 0.9).clamp(9.5, 16.0));
        self.cells.spread = single(0.10 + 0.09 * poor);
        self.cells.aspect = single(random.range(1.2, 1.55));
        self.cells.haematoxylin = single(random.range(1.1, 1.4));
        self.cells.vesicular = single(random.range(0.25, 0.5));
        self.cells.nucleoli = single(random.range(0.3, 0.85));
        self.cells.nucleolus_um = single(random.range(1.5, 2.6));
        self.cells.cell_ratio = single(random.range(1.4, 1.75));
        self.cells.cytoplasm_e = single(random.range(0.3, 0.6));
        self.cells.cytoplasm_h = single(random.range(0.12, 0.35));
        self.solid_glands = single(0.55 * poor * random.unit());
        self.cribriform = single(random.unit() * random.unit());
        self.stratified = single(poor);
        self.vacuoles = single(if random.chance(0.75) { random.range(0.02, 0.22) } else { 0.0 });
        self.nest_share = random.range(0.6, 0.92);
    }

    /// Nuclei of 10 to 16 µm; keratin pearls, single-cell keratinisation, bridges, less of each as the grade falls.
    fn squamous(&mut self, grade: f64, random: &mut Random) {
        self.cells.nucleus_um = single(random.normal(12.4, 1.1).clamp(10.0, 16.0));
        self.cells.spread = single(random.range(0.15, 0.24));
        self.cells.aspect = single(random.range(1.2, 1.5));
        self.cells.haematoxylin = single(random.range(1.2, 1.6));
        self.cells.vesicular = single(random.range(0.1, 0.4));
        self.cells.chromatin = single(random.range(0.2, 0.35));
        self.cells.nucleoli = single(random.range(0.05, 0.5));
        self.cells.irregular = 0.08;
        self.cells.cell_ratio = single(random.range(1.5, 1.95));
        self.cells.cytoplasm_e = single(random.range(0.42, 0.72));
        self.cells.cytoplasm_h = single(random.range(0.08, 0.25));
        self.cells.gaps = single((0.15 + 0.85 * grade) * random.range(0.5, 1.0));
        self.pearls = if grade > 0.3 { grade * random.range(0.3, 1.0) } else { 0.0 };
        self.dyskeratosis = single(0.02 + 0.22 * grade * random.unit());
        self.nest_share = random.range(0.45, 0.8) + 0.12 * (1.0 - grade);
        self.nest_scale_um = random.range(60.0, 130.0);
    }

    /// Nuclei of 15 to 25 µm, vesicular, with a prominent nucleolus; sheets without gland or keratin.
    fn large_cell(&mut self, random: &mut Random) {
        self.cells.nucleus_um = single(random.normal(16.6, 1.7).clamp(13.0, 22.0));
        self.cells.spread = single(random.range(0.18, 0.32));
        self.cells.aspect = single(random.range(1.15, 1.4));
        self.cells.haematoxylin = single(random.range(1.0, 1.4));
        self.cells.vesicular = single(random.range(0.3, 0.6));
        self.cells.chromatin = single(random.range(0.25, 0.4));
        self.cells.grain_um = 1.7;
        self.cells.nucleoli = single(random.range(0.5, 1.0));
        self.cells.nucleolus_um = single(random.range(2.6, 4.2));
        self.cells.irregular = single(random.range(0.05, 0.09));
        self.cells.cell_ratio = single(random.range(1.3, 1.7));
        self.cells.cytoplasm_e = single(random.range(0.32, 0.65));
        self.cells.cytoplasm_h = single(random.range(0.12, 0.32));
        self.cells.gaps = single(random.range(-0.6, 0.2));
        self.nest_share = random.range(0.65, 0.95);
        self.nest_scale_um = random.range(100.0, 200.0);
        self.dyskeratosis = single(if random.chance(0.3) { 0.03 } else { 0.0 });
        self.necrosis = (self.necrosis + random.range(-0.03, 0.15)).clamp(0.0, 0.3);
    }

    /// Nuclei below three lymphocytes (7 µm each), usually 8 to 13 µm; fine chromatin, no nucleolus, scant cytoplasm.
    fn small_cell(&mut self, obscurity: f64, random: &mut Random) {
        self.cells.nucleus_um = single(random.normal(9.9, 1.1).clamp(8.2, 13.5));
        self.cells.spread = single(random.range(0.11, 0.18));
        self.cells.aspect = single(random.range(1.15, 1.65));
        self.cells.haematoxylin = single(random.range(1.3, 1.7));
        self.cells.vesicular = single(random.range(0.0, 0.15));
        self.cells.chromatin = single(random.range(0.25, 0.42));
        self.cells.grain_um = 0.9;
        self.cells.nucleoli = single(random.range(0.0, 0.08));
        self.cells.nucleolus_um = 1.2;
        self.cells.irregular = 0.05;
        self.cells.cell_ratio = single(random.range(0.98, 1.22));
        self.cells.cytoplasm_e = single(random.range(0.25, 0.45));
        self.cells.cytoplasm_h = single(random.range(0.15, 0.35));
        self.cells.gaps = 0.0;
        self.cells.moulding_gap_um = single(random.range(0.2, 0.6));
        self.nest_share = random.range(0.6, 0.95);
        self.nest_scale_um = random.range(80.0, 190.0);
        self.rosettes = if random.chance(0.35) { random.range(0.2, 0.8) } else { 0.0 };
        self.necrosis = (self.necrosis + random.range(-0.03, 0.15)).clamp(0.0, 0.3);
        self.crush = (self.crush + random.unit() * (0.1 + 0.2 * obscurity)).min(0.5);
    }

    /// Normal lung, or one of the benign lesions that are taken for a tumour, more often so as `obscurity` rises.
    fn normal(&mut self, obscurity: f64, random: &mut Random) {
        const PATTERNS: [Pattern; 7] = [
            Pattern::Quiet,
            Pattern::Reactive,
            Pattern::Scar,
            Pattern::Lymphoid,
            Pattern::Granuloma,
            Pattern::Glands,
            Pattern::Lining,
        ];
        let mimic = 0.45 + 0.75 * obscurity;
        let weights = [1.0, 1.1 * mimic, 0.7 * mimic, 0.8 * mimic, 0.6 * mimic, 0.7 * mimic, 0.6 * mimic];
        self.pattern = PATTERNS[random.weighted(&weights)];
        self.second_pattern = if random.chance(0.5) { self.pattern } else { PATTERNS[random.weighted(&weights)] };
        // Type-II pneumocytes, gland and bronchial cells: nuclei of 7 to 10 µm, even and pale.
        self.cells.nucleus_um = single(random.range(7.5, 10.5));
        self.cells.spread = 0.09;
        self.cells.haematoxylin = single(random.range(1.05, 1.4));
        self.cells.nucleoli = single(random.range(0.0, 0.4));
        self.cells.nucleolus_um = 1.3;
        self.cells.irregular = 0.03;
        self.cells.cell_ratio = single(random.range(1.5, 1.9));
        self.cells.cytoplasm_e = single(random.range(0.3, 0.6));
        self.cells.gaps = single(random.range(-0.4, 0.6));
        self.nest_share = random.range(0.6, 0.9);
        self.stratified = 0.15;
        self.lymphocytes = random.unit();
        self.necrosis = 0.0;
        self.share = random.range(0.3, 0.9);
    }
}

/// What to render.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The class of the case; the same as that of its [`Traits`].
    pub phenotype: Class,
    /// 0 clear to 1: scanty, crushed, autolytic, mixed with other tissue.
    pub obscurity: f64,
    /// How the tissue was taken.
    pub specimen: Specimen,
    /// Width of the field, in px.
    pub width: u32,
    /// Height of the field, in px.
    pub height: u32,
    /// Edge of a pixel, in µm, 0.25 to 1.
    pub um_per_px: f64,
}

/// One field and what is in it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The field as the camera gives it.
    pub field: RgbImage,
    /// 255 where tumour is (its cells, and the lumens, mucin and keratin inside them), 0 elsewhere.
    pub mask: GrayImage,
}

/// One field of a case. Fields of a case have the same `traits` and `preparation`, and each its own `random`.
///
/// Of a biopsy at least 45 %, of cytology at least 15 %, of a resection at least 30 % of the field is tissue.
pub fn render(request: &Request, preparation: &Preparation, traits: &Traits, random: &mut Random) -> Rendered {
    debug_assert_eq!(request.phenotype, traits.phenotype, "traits of another class");
    let pattern = if random.chance(0.65) { traits.pattern } else { traits.second_pattern };
    let field = Field::compose(request, traits, pattern, random);
    let crowd = field.populate(traits, pattern, random);
    let mut dyes = Dyes::of_tissue(&field, traits, &crowd, random);
    dyes.add_nuclei(&field, &crowd);
    dyes.add_debris(&field, traits, random);
    Rendered { field: dyes.photograph(&field, preparation, random), mask: field.mask() }
}

// ---------------------------------------------------------------------------------------------------------------------
// Architecture: which tissue lies where
// ---------------------------------------------------------------------------------------------------------------------

/// What one pixel shows, before nuclei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Glass,
    Air,
    /// Alveolar wall.
    Wall,
    Stroma,
    Muscle,
    /// Air space filled with protein-rich fluid, or mucus on a smear.
    Fluid,
    Blood,
    Lymphoid,
    Necrosis,
    /// Benign epithelium or histiocytes.
    Lining,
    Macrophage,
    Tumour,
    /// Inside a tumour gland: empty or with some mucus, or filled.
    Lumen,
    Secretion,
    Keratin,
}

impl Kind {
    const fn is_tissue(self) -> bool {
        !matches!(self, Self::Glass | Self::Air | Self::Lumen)
    }

    const fn is_tumour(self) -> bool {
        matches!(self, Self::Tumour | Self::Lumen | Self::Secretion | Self::Keratin)
    }
}

/// The tissue of one field, row by row.
struct Field {
    width: usize,
    height: usize,
    um: f32,
    /// A smear has no stroma, no wall and no air: glass instead.
    smear: bool,
    kinds: Vec<Kind>,
    /// Distance from the base of an epithelium, the mid-line of a wall or the rim of a nest, in µm.
    depth: Vec<f32>,
    /// How crushed the tissue is, 0 to 1.
    crush: Vec<f32>,
    fibres: Fibres,
    /// Cells that lie singly: centre and radius in µm, and what they are.
    singles: Vec<(f32, f32, f32, Kind)>,
}

/// The direction of collagen and of crush.
#[derive(Debug, Clone, Copy)]
struct Fibres {
    seed: u32,
    cos: f32,
    sin: f32,
    wave_um: f32,
    amplitude_um: f32,
}

impl Fibres {
    /// Position across and along the fibres, in µm.
    fn at(self, x: f32, y: f32) -> (f32, f32) {
        let wave = noise(self.seed, x / self.wave_um, y / self.wave_um)
            + 0.35 * noise(self.seed ^ 0x55, x * 2.3 / self.wave_um, y * 2.3 / self.wave_um);
        (y * self.cos - x * self.sin + self.amplitude_um * wave, x * self.cos + y * self.sin)
    }

    /// Unit vector along the fibres.
    fn along(self, x: f32, y: f32) -> [f32; 2] {
        let here = self.at(x, y).0;
        let (gx, gy) = (self.at(x + 1.0, y).0 - here, self.at(x, y + 1.0).0 - here);
        unit([gy, -gx])
    }
}

/// The nearest two of a jittered grid of points.
struct Nearest {
    /// Distance to the nearest point, and to the border with the second, in µm.
    centre_um: f32,
    border_um: f32,
    id: u32,
}

/// Cells of a jittered grid (Worley noise).
fn nearest(seed: u32, x: f32, y: f32, spacing_um: f32) -> Nearest {
    let (u, v) = (x / spacing_um, y / spacing_um);
    let ((cx, _), (cy, _)) = (split(u), split(v));
    let mut first = (f32::MAX, 0.0, 0.0, 0);
    let mut second = (f32::MAX, 0.0, 0.0);
    for row in cy - 1..=cy + 1 {
        for column in cx - 1..=cx + 1 {
            let id = hash(seed, column, row);
            let px = whole(column) + 0.14 + 0.72 * share(id);
            let py = whole(row) + 0.14 + 0.72 * share(id.wrapping_mul(0x9e37_79b1) ^ (id >> 13));
            let distance = (px - u) * (px - u) + (py - v) * (py - v);
            if distance < first.0 {
                second = (first.0, first.1, first.2);
                first = (distance, px, py, id);
            } else if distance < second.0 {
                second = (distance, px, py);
            }
        }
    }
    let apart = ((first.1 - second.1) * (first.1 - second.1) + (first.2 - second.2) * (first.2 - second.2)).sqrt();
    Nearest {
        centre_um: first.0.sqrt() * spacing_um,
        border_um: (second.0 - first.0) / (2.0 * apart.max(1e-3)) * spacing_um,
        id: first.3,
    }
}

/// Figures of one pattern in one field.
struct Plan {
    pattern: Pattern,
    seed: u32,
    spacing_um: f32,
    gap_um: f32,
    layer_um: f32,
    solid: f32,
    cribriform: f32,
    cell_kind: Kind,
    lumen_kind: Kind,
}

impl Plan {
    fn draw(traits: &Traits, pattern: Pattern, random: &mut Random) -> Self {
        let benign = traits.phenotype == Class::Normal;
        let cell_um = traits.cells.nucleus_um * traits.cells.cell_ratio;
        let (spacing, gap, layer) = match pattern {
            Pattern::Acinar => (random.range(80.0, 150.0), random.range(3.0, 14.0), f64::from(cell_um)),
            // Alveoli are 200 µm wide (Ochs et al., AJRCCM 2004), less after fixation and collapse.
            Pattern::Lepidic => (random.range(95.0, 170.0), random.range(3.0, 11.0), 0.85 * f64::from(cell_um)),
            Pattern::Reactive => (random.range(95.0, 170.0), random.range(4.0, 12.0), 0.75 * f64::from(cell_um)),
            Pattern::Papillary => (random.range(70.0, 120.0), random.range(3.0, 9.0), f64::from(cell_um)),
            Pattern::Glands => (random.range(45.0, 70.0), random.range(2.0, 6.0), f64::from(cell_um) * 1.2),
            _ => (traits.nest_scale_um, random.range(2.0, 8.0), f64::from(cell_um)),
        };
        let layers = if benign { 1.0 } else { 1.0 + 0.45 * f64::from(traits.stratified) };
        Self {
            pattern,
            seed: seed(random),
            spacing_um: single(spacing),
            gap_um: single(gap),
            layer_um: single(layer * layers),
            solid: traits.solid_glands,
            cribriform: if benign { 0.0 } else { traits.cribriform },
            cell_kind: if benign { Kind::Lining } else { Kind::Tumour },
            lumen_kind: if benign { Kind::Air } else { Kind::Lumen },
        }
    }

    /// Tissue and depth at a place that is `inside_um` inside the lesion. `nest_um` is the distance inside a nest.
    fn at(&self, x: f32, y: f32, inside_um: f32, nest_um: f32) -> (Kind, f32) {
        let wobble = |scale: f32, amount: f32| amount * noise(self.seed ^ 0x77, x / scale, y / scale);
        match self.pattern {
            Pattern::Acinar | Pattern::Glands => {
                let (wx, wy) = self.warp(x, y, 0.16);
                let gland = nearest(self.seed, wx, wy, self.spacing_um);
                let size = 0.5 + 0.3 * share(gland.id ^ 0x1234_5678);
                let depth =
                    (gland.border_um - self.gap_um).min(self.spacing_um * size - gland.centre_um).min(inside_um)
                        + wobble(9.0, 1.6);
                let layer = self.layer_um * (0.8 + 0.4 * share(gland.id ^ 0x0bad_cafe));
                let fate = share(gland.id.rotate_left(7));
                if depth < 0.0 {
                    (Kind::Stroma, depth)
                } else if depth < layer || fate < self.solid {
                    (self.cell_kind, depth)
                } else if fate > 1.0 - self.cribriform {
                    let hole = nearest(self.seed ^ 0x99, x, y, 2.6 * self.layer_um);
                    let bridge = 0.38 * self.layer_um - hole.border_um + wobble(9.0, 1.6);
                    if bridge > 0.0 { (self.cell_kind, bridge) } else { (self.lumen_kind, depth) }
                } else {
                    (self.lumen_kind, depth)
                }
            }
            Pattern::Lepidic | Pattern::Reactive => {
                let (wx, wy) = self.warp(x, y, 0.2);
                let wall = nearest(self.seed, wx, wy, self.spacing_um);
                let core = self.gap_um * (1.0 + 0.7 * noise(self.seed ^ 0x31, x / 60.0, y / 60.0));
                // Reactive pneumocytes line a wall in part only.
                let lined = self.pattern == Pattern::Lepidic || noise(self.seed ^ 0x17, x / 55.0, y / 55.0) > -0.25;
                let depth = wall.border_um - core;
                let hobnail = self.layer_um * (1.0 + 0.35 * noise(self.seed ^ 0x77, x / 8.0, y / 8.0));
                if depth < 0.0 {
                    (if core > 8.0 { Kind::Stroma } else { Kind::Wall }, depth)
                } else if lined && depth < hobnail {
                    (self.cell_kind, depth)
                } else {
                    (Kind::Air, depth)
                }
            }
            Pattern::Papillary => {
                let (wx, wy) = self.warp(x, y, 0.35);
                let frond = nearest(self.seed, wx, wy, self.spacing_um);
                // Fronds end in the lumen: the core thins out and breaks off along the border.
                let broken = noise(self.seed ^ 0x31, x / 45.0, y / 45.0);
                let distance = if broken < -0.35 { frond.border_um + 60.0 * (-0.35 - broken) } else { frond.border_um };
                let depth = distance - self.gap_um * (1.0 + 0.6 * broken);
                if depth < 0.0 {
                    (Kind::Stroma, depth)
                } else if depth < self.layer_um + wobble(8.0, 2.0) {
                    (self.cell_kind, depth)
                } else {
                    (self.lumen_kind, depth)
                }
            }
            Pattern::Nests | Pattern::Granuloma | Pattern::Lining => {
                let depth = nest_um.min(inside_um) + wobble(10.0, 1.8);
                (if depth > 0.0 { self.cell_kind } else { Kind::Stroma }, depth)
            }
            Pattern::Lymphoid => {
                (if nest_um + wobble(12.0, 6.0) > 0.0 { Kind::Lymphoid } else { Kind::Stroma }, inside_um)
            }
            Pattern::Scar => (Kind::Stroma, inside_um),
            Pattern::Quiet => (Kind::Air, 0.0),
        }
    }

    fn warp(&self, x: f32, y: f32, amount: f32) -> (f32, f32) {
        let scale = 0.7 * self.spacing_um;
        let reach = amount * self.spacing_um;
        (
            x + reach * noise(self.seed ^ 0xa1, x / scale, y / scale),
            y + reach * noise(self.seed ^ 0xb2, x / scale, y / scale),
        )
    }
}

/// A vessel or a bronchiole, cut across.
struct Tube {
    x: f32,
    y: f32,
    radius_um: f32,
    wall_um: f32,
    airway: bool,
    seed: u32,
}

impl Tube {
    fn at(&self, x: f32, y: f32, filled: bool) -> Option<(Kind, f32)> {
        let (dx, dy) = (x - self.x, y - self.y);
        let outer = 1.3 * self.radius_um + 3.0 * self.wall_um;
        if dx * dx + dy * dy > outer * outer {
            return None;
        }
        let scale = 0.7 * self.radius_um;
        let from_lumen =
            (dx * dx + dy * dy).sqrt() - self.radius_um * (1.0 + 0.3 * noise(self.seed, x / scale, y / scale));
        // Bronchiolar lining is some 20 µm high, folded; an intima is a line.
        let lining = if self.airway { 19.0 + 4.0 * noise(self.seed ^ 3, x / 25.0, y / 25.0) } else { 0.0 };
        if from_lumen < 0.0 {
            Some((if filled && !self.airway { Kind::Blood } else { Kind::Air }, -from_lumen))
        } else if from_lumen < lining {
            Some((Kind::Lining, lining - from_lumen))
        } else if from_lumen < lining + self.wall_um {
            Some((Kind::Muscle, from_lumen))
        } else if from_lumen < lining + 1.8 * self.wall_um {
            Some((Kind::Stroma, from_lumen))
        } else {
            None
        }
    }
}

impl Field {
    fn compose(request: &Request, traits: &Traits, pattern: Pattern, random: &mut Random) -> Self {
        let (width, height) = (request.width as usize, request.height as usize);
        let angle = random.range(0.0, std::f64::consts::PI);
        let mut field = Self {
            width,
            height,
            um: single(request.um_per_px),
            smear: request.specimen == Specimen::Cytology,
            kinds: vec![Kind::Glass; width * height],
            depth: vec![0.0; width * height],
            crush: Vec::new(),
            fibres: Fibres {
                seed: seed(random),
                cos: single(libm::cos(angle)),
                sin: single(libm::sin(angle)),
                wave_um: single(random.range(60.0, 140.0)),
                amplitude_um: single(random.range(12.0, 40.0)),
            },
            singles: Vec::new(),
        };
        let support = field.support(request.specimen, random);
        // Every area below is a quantile of a noise plane over the supported tissue, so its share is exact.
        let spread = single(random.range(110.0, 260.0));
        let lesion = (traits.share * random.range(0.8, 1.1)).clamp(0.28, 0.95);
        let lesion = if pattern == Pattern::Quiet { 0.0 } else { lesion };
        let territory = field.distance_plane(random, spread, 3, Some(&support), lesion);
        let nest_share = (traits.nest_share + random.normal(0.0, 0.05)).clamp(0.4, 0.96);
        let nests = field.distance_plane(random, single(traits.nest_scale_um), 2, None, nest_share);
        let plan = Plan::draw(traits, pattern, random);
        let lung = Plan::draw(traits, Pattern::Quiet, random);
        let stroma = field.distance_plane(random, 180.0, 2, None, {
            let share: f64 = if pattern == Pattern::Scar { 0.8 } else { traits.stroma_share };
            if request.specimen == Specimen::Biopsy { share.max(0.45) } else { share }
        });
        let lymphoid_share = 0.02 + 0.22 * traits.lymphocytes * traits.lymphocytes;
        let lymphoid = field.distance_plane(random, 80.0, 3, None, lymphoid_share);
        let walls = field.wall_plane(&lung, random);
        let wall_share = (traits.wall_share
            + if request.specimen == Specimen::Biopsy { 0.25 } else { 0.0 }
            + random.normal(0.0, 0.05))
        .clamp(0.35, 0.92);
        let half_wall = quantile(walls.iter().copied(), wall_share);
        let tubes = field.tubes(&territory, random);
        let filled = random.chance(0.6);

        for row in 0..height {
            for column in 0..width {
                let index = row * width + column;
                if support[index] <= 0.0 {
                    continue;
                }
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                let inside = territory[index];
                let (mut kind, depth) = if inside > 0.0 && pattern != Pattern::Quiet {
                    plan.at(x, y, inside, nests[index])
                } else if field.smear {
                    // Beside the tumour a smear has groups of bronchial cells, and glass between them.
                    let group = stroma[index].min(-inside - 20.0);
                    (if group > 0.0 { Kind::Lining } else { Kind::Glass }, group)
                } else if let Some(tube) = tubes.iter().find_map(|tube| tube.at(x, y, filled)) {
                    tube
                } else if lymphoid[index] > 0.0 {
                    (Kind::Lymphoid, lymphoid[index])
                } else if stroma[index] > 0.0 || (inside > -traits.desmoplasia_um && pattern != Pattern::Quiet) {
                    (Kind::Stroma, stroma[index])
                } else if walls[index] < half_wall {
                    (Kind::Wall, walls[index])
                } else {
                    (Kind::Air, walls[index])
                };
                if field.smear && matches!(kind, Kind::Stroma | Kind::Wall | Kind::Air) {
                    kind = Kind::Glass;
                }
                field.kinds[index] = kind;
                field.depth[index] = depth;
            }
        }
        field.add_necrosis(traits, pattern, &territory, random);
        field.add_keratin(traits, random);
        field.add_singles(request.specimen, traits, random);
        field.ensure_tissue(request.specimen, random);
        field.crush = {
            let share = traits.crush * random.range(0.5, 1.5);
            let mut plane = field.distance_plane(random, 90.0, 2, None, share.min(0.6));
            plane.iter_mut().for_each(|depth| *depth = (0.5 + *depth / 16.0).clamp(0.0, 1.0));
            plane
        };
        field
    }

    /// Positive where the specimen has tissue.
    fn support(&self, specimen: Specimen, random: &mut Random) -> Vec<f32> {
        match specimen {
            Specimen::Resection => vec![1.0; self.width * self.height],
            Specimen::Cytology => {
                let (scale, share) = (single(random.range(70.0, 150.0)), random.range(0.3, 0.6));
                self.distance_plane(random, scale, 3, None, share)
            }
            Specimen::Biopsy => {
                // A core: a band across the field with a ragged rim.
                let angle = random.range(0.0, std::f64::consts::PI);
                let (sin, cos) = (single(libm::sin(angle)), single(libm::cos(angle)));
                let centre = [count(self.width) / 2.0 * self.um, count(self.height) / 2.0 * self.um];
                let offset = single(random.range(-0.3, 0.3)) * count(self.width.min(self.height)) * self.um;
                let ragged = seed(random);
                let mut plane = self.plane(|x, y| {
                    let across = (x - centre[0]) * sin - (y - centre[1]) * cos + offset;
                    across.abs() - 22.0 * fractal(ragged, x / 90.0, y / 90.0, 4)
                });
                let edge = quantile(plane.iter().copied(), random.range(0.64, 0.93));
                plane.iter_mut().for_each(|across| *across = edge - *across);
                plane
            }
        }
    }

    fn plane(&self, at: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let mut plane = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            for column in 0..self.width {
                plane.push(at(count(column) * self.um, count(row) * self.um));
            }
        }
        plane
    }

    /// Distance in µm inside (positive) an area that takes `area` of the field, or of the positive part of `within`.
    fn distance_plane(
        &self,
        random: &mut Random,
        scale_um: f32,
        octaves: u32,
        within: Option<&[f32]>,
        area: f64,
    ) -> Vec<f32> {
        let seed = seed(random);
        let plane = self.plane(|x, y| fractal(seed, x / scale_um, y / scale_um, octaves));
        let threshold = match within {
            Some(within) => {
                let inside = plane.iter().zip(within).filter(|(_, within)| **within > 0.0).map(|(value, _)| *value);
                quantile(inside, 1.0 - area)
            }
            None => quantile(plane.iter().copied(), 1.0 - area),
        };
        let mut distances = vec![0.0; plane.len()];
        for row in 0..self.height {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(self.height - 1));
            for column in 0..self.width {
                let (left, right) = (column.saturating_sub(1), (column + 1).min(self.width - 1));
                let at = |row: usize, column: usize| plane[row * self.width + column];
                let gx = (at(row, right) - at(row, left)) / (count((right - left).max(1)) * self.um);
                let gy = (at(below, column) - at(above, column)) / (count((below - above).max(1)) * self.um);
                let slope = (gx * gx + gy * gy).sqrt().max(0.5 / scale_um);
                distances[row * self.width + column] = (at(row, column) - threshold) / slope;
            }
        }
        distances
    }

    /// Distance from the mid-line of the nearest alveolar wall, in µm.
    fn wall_plane(&self, plan: &Plan, random: &mut Random) -> Vec<f32> {
        let spacing = single(random.range(80.0, 190.0));
        let plan = Plan { spacing_um: spacing, ..*plan };
        self.plane(|x, y| {
            let (wx, wy) = plan.warp(x, y, 0.22);
            nearest(plan.seed, wx, wy, spacing).border_um * (1.0 + 0.35 * noise(plan.seed ^ 9, x / 70.0, y / 70.0))
        })
    }

    /// Vessels and bronchioles beside the lesion.
    fn tubes(&self, territory: &[f32], random: &mut Random) -> Vec<Tube> {
        let mut tubes: Vec<Tube> = Vec::new();
        for _ in 0..8 {
            let (column, row) = (random.below(self.width), random.below(self.height));
            let airway = random.chance(0.3);
            let radius = if airway { random.range(35.0, 90.0) } else { random.range(12.0, 55.0) };
            let tube = Tube {
                x: count(column) * self.um,
                y: count(row) * self.um,
                radius_um: single(radius),
                wall_um: single(radius * random.range(0.2, 0.55)),
                airway,
                seed: seed(random),
            };
            let clear = tubes.iter().all(|other| {
                let (dx, dy) = (other.x - tube.x, other.y - tube.y);
                (dx * dx + dy * dy).sqrt() > 1.6 * (other.radius_um + tube.radius_um) + 30.0
            });
            if clear && territory[row * self.width + column] < 0.0 && tubes.len() < 3 {
                tubes.push(tube);
            }
        }
        tubes
    }

    fn add_necrosis(&mut self, traits: &Traits, pattern: Pattern, territory: &[f32], random: &mut Random) {
        let area = traits.necrosis * random.range(0.2, 1.6);
        if pattern.has_air() || area < 0.005 {
            return;
        }
        let necrosis = self.distance_plane(random, 110.0, 3, Some(territory), area);
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            if necrosis[index] > 0.0 && territory[index] > 12.0 && (kind.is_tumour() || *kind == Kind::Stroma) {
                *kind = Kind::Necrosis;
            }
        }
    }

    /// Keratin pearls deep in nests, rosettes likewise: round places whose kind and depth change.
    fn add_keratin(&mut self, traits: &Traits, random: &mut Random) {
        let step_um = 62.0;
        let (rows, columns) =
            (cell(count(self.height) * self.um / step_um), cell(count(self.width) * self.um / step_um));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step_um * (whole(column) + single(random.unit()));
                let y = step_um * (whole(row) + single(random.unit()));
                let (pearl, rosette) = (random.chance(traits.pearls), random.chance(0.4 * traits.rosettes));
                let size = single(random.range(0.55, 1.0));
                let Some(index) = self.index(x, y) else { continue };
                if self.kinds[index] != Kind::Tumour {
                    continue;
                }
                let (radius, kind) = if pearl && self.depth[index] > 14.0 {
                    ((self.depth[index] * size).min(38.0), Kind::Keratin)
                } else if rosette && self.depth[index] > 12.0 {
                    (4.0 * size, Kind::Lumen)
                } else {
                    continue;
                };
                let outline = seed(random);
                self.each_within(x, y, 1.3 * radius, |field, index, dx, dy| {
                    let distance = (dx * dx + dy * dy).sqrt();
                    let rim = radius * (1.0 + 0.25 * noise(outline, dx / (0.7 * radius), dy / (0.7 * radius)));
                    if distance < rim && field.kinds[index] == Kind::Tumour {
                        field.kinds[index] = kind;
                        field.depth[index] = distance;
                    }
                });
            }
        }
    }

    /// Macrophages in air spaces; on a smear also single cells of the lesion.
    fn add_singles(&mut self, specimen: Specimen, traits: &Traits, random: &mut Random) {
        let area = count(self.width * self.height) * self.um * self.um;
        let smear = specimen == Specimen::Cytology;
        let tumour = traits.phenotype != Class::Normal;
        let macrophages = f64::from(area) / 20_000.0 * traits.macrophages * if smear { 1.5 } else { 1.0 };
        let loose = if smear && tumour { f64::from(area) / 9_000.0 * random.range(0.2, 1.0) } else { 0.0 };
        for (kind, wanted) in [(Kind::Tumour, loose), (Kind::Macrophage, macrophages)] {
            // Alveolar macrophages measure some 15 to 22 µm.
            let usual = if kind == Kind::Tumour {
                f64::from(0.5 * traits.cells.nucleus_um * traits.cells.cell_ratio)
            } else {
                8.5
            };
            let mut left = wanted;
            while random.unit() < left {
                left -= 1.0;
                let x = single(random.unit()) * count(self.width) * self.um;
                let y = single(random.unit()) * count(self.height) * self.um;
                let radius = single(random.log_normal(usual, 0.15));
                let free = self.index(x, y).is_some_and(|index| match self.kinds[index] {
                    Kind::Glass => smear,
                    Kind::Air => kind == Kind::Macrophage,
                    _ => false,
                });
                if !free {
                    continue;
                }
                let outline = seed(random);
                self.each_within(x, y, 1.3 * radius, |field, index, dx, dy| {
                    let rim = radius * (1.0 + 0.25 * noise(outline, dx / radius, dy / radius));
                    if dx * dx + dy * dy < rim * rim && !field.kinds[index].is_tissue() {
                        field.kinds[index] = kind;
                        field.depth[index] = rim;
                    }
                });
                self.singles.push((x, y, radius, kind));
            }
        }
    }

    /// Fills air spaces with oedema, or glass of a smear with mucus, until the promised share is tissue.
    fn ensure_tissue(&mut self, specimen: Specimen, random: &mut Random) {
        let (least, fillable) = match specimen {
            Specimen::Biopsy => (0.5, Kind::Air),
            // Mucus lies on smears of every class.
            Specimen::Cytology => (random.range(0.2, 0.5), Kind::Glass),
            Specimen::Resection => (0.36, Kind::Air),
        };
        let share_of = |kinds: &[Kind], matches: &dyn Fn(Kind) -> bool| {
            real(kinds.iter().filter(|kind| matches(**kind)).count()) / real(kinds.len().max(1))
        };
        let tissue = share_of(&self.kinds, &Kind::is_tissue);
        let open = share_of(&self.kinds, &|kind| kind == fillable);
        if tissue >= least {
            return;
        }
        let fluid = if open > 0.0 { ((least - tissue) / open).min(1.0) } else { 0.0 };
        let eligible: Vec<f32> = self.kinds.iter().map(|kind| if *kind == fillable { 1.0 } else { -1.0 }).collect();
        let film = self.distance_plane(random, 70.0, 3, Some(&eligible), fluid);
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            if *kind == fillable && film[index] > 0.0 {
                *kind = Kind::Fluid;
            }
        }
        // Where the open spaces do not suffice, lumens hold secretion.
        if open < least - tissue {
            self.kinds.iter_mut().filter(|kind| **kind == Kind::Lumen).for_each(|kind| *kind = Kind::Secretion);
        }
    }

    fn index(&self, x: f32, y: f32) -> Option<usize> {
        let (column, row) = (split(x / self.um).0, split(y / self.um).0);
        let (column, row) = (usize::try_from(column).ok()?, usize::try_from(row).ok()?);
        (column < self.width && row < self.height).then_some(row * self.width + column)
    }

    /// Calls `paint` with the index of each pixel of a square around (x, y) and its offset from there in µm.
    fn each_within(&mut self, x: f32, y: f32, reach: f32, mut paint: impl FnMut(&mut Self, usize, f32, f32)) {
        let (rows, columns) = (self.span(y, reach, self.height), self.span(x, reach, self.width));
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) = (count(column) * self.um - x, count(row) * self.um - y);
                paint(self, row * self.width + column, dx, dy);
            }
        }
    }

    fn span(&self, centre: f32, reach: f32, end: usize) -> std::ops::Range<usize> {
        let low = usize::try_from(split((centre - reach) / self.um).0).unwrap_or(0);
        let high = usize::try_from(split((centre + reach) / self.um).0 + 2).unwrap_or(0);
        low.min(end)..high.min(end)
    }

    /// Unit vector in which `depth` rises.
    fn inward(&self, x: f32, y: f32) -> [f32; 2] {
        let at = |x: f32, y: f32| self.index(x, y).map(|index| self.depth[index]);
        let step = 3.0;
        match (at(x - step, y), at(x + step, y), at(x, y - step), at(x, y + step)) {
            (Some(left), Some(right), Some(above), Some(below)) => unit([right - left, below - above]),
            _ => [1.0, 0.0],
        }
    }

    fn mask(&self) -> GrayImage {
        let mut mask = GrayImage::new(pixels(self.width), pixels(self.height));
        for (pixel, kind) in mask.pixels_mut().zip(&self.kinds) {
            pixel.0 = [if kind.is_tumour() { 255 } else { 0 }];
        }
        mask
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Nuclei: which cells lie in each tissue
// ---------------------------------------------------------------------------------------------------------------------

/// One nucleus. Lengths in µm.
#[derive(Debug, Clone, Copy)]
struct Nucleus {
    x: f32,
    y: f32,
    /// Half the long and the short diameter.
    long: f32,
    short: f32,
    /// Direction of the long diameter.
    along: [f32; 2],
    /// Half the distance to a neighbour of the same kind.
    room: f32,
    look: Look,
    seed: u32,
}

/// How a nucleus takes the dye; as in [`Cells`].
#[derive(Debug, Clone, Copy)]
struct Look {
    haematoxylin: f32,
    vesicular: f32,
    chromatin: f32,
    grain_um: f32,
    nucleolus_um: f32,
    irregular: f32,
    moulding_gap_um: f32,
    /// Width of the soft rim.
    rim_um: f32,
    /// The cell belongs to the lesion's epithelium, whose borders are drawn.
    bordered: bool,
}

impl Look {
    const PLAIN: Self = Self {
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
struct Crowd {
    nuclei: Vec<Nucleus>,
    buckets: Vec<Vec<usize>>,
    columns: usize,
    rows: usize,
}

impl Crowd {
    const BUCKET_UM: f32 = 14.0;

    fn new(field: &Field) -> Self {
        let along =
            |count_px: usize| usize::try_from(split(count(count_px) * field.um / Self::BUCKET_UM).0).unwrap_or(0) + 3;
        let (columns, rows) = (along(field.width), along(field.height));
        Self { nuclei: Vec::new(), buckets: vec![Vec::new(); columns * rows], columns, rows }
    }

    fn bucket(&self, x: f32, y: f32) -> (usize, usize) {
        let at = |um: f32, end: usize| usize::try_from(split(um / Self::BUCKET_UM).0 + 1).unwrap_or(0).min(end - 1);
        (at(x, self.columns), at(y, self.rows))
    }

    fn push(&mut self, nucleus: Nucleus) {
        let (column, row) = self.bucket(nucleus.x, nucleus.y);
        self.buckets[row * self.columns + column].push(self.nuclei.len());
        self.nuclei.push(nucleus);
    }

    /// Calls `visit` with each nucleus within `reach` and some beyond.
    fn around(&self, x: f32, y: f32, reach: f32, mut visit: impl FnMut(usize, &Nucleus)) {
        let ((left, top), (right, bottom)) = (self.bucket(x - reach, y - reach), self.bucket(x + reach, y + reach));
        for row in top..=bottom {
            for column in left..=right {
                for index in &self.buckets[row * self.columns + column] {
                    visit(*index, &self.nuclei[*index]);
                }
            }
        }
    }

    fn fits(&self, nucleus: &Nucleus) -> bool {
        let mut fits = true;
        self.around(nucleus.x, nucleus.y, nucleus.room + 14.0, |_, other| {
            let (dx, dy) = (other.x - nucleus.x, other.y - nucleus.y);
            let apart = 0.8 * (nucleus.room + other.room);
            fits &= dx * dx + dy * dy > apart * apart;
        });
        fits
    }

    /// Distance to the border between the nearest two bordered cells, and the nearest one's index.
    fn border(&self, x: f32, y: f32) -> Option<(f32, usize)> {
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

impl Field {
    /// Places the nuclei of every tissue.
    fn populate(&self, traits: &Traits, pattern: Pattern, random: &mut Random) -> Crowd {
        let mut crowd = Crowd::new(self);
        for single_cell in &self.singles {
            self.place_single(&mut crowd, traits, *single_cell, random);
        }
        let cells = traits.cells;
        let glandular = !matches!(pattern, Pattern::Nests | Pattern::Granuloma | Pattern::Lining);
        let epithelial_step =
            if glandular { cells.nucleus_um * 0.62 } else { 0.68 * cells.nucleus_um * cells.cell_ratio };
        for _ in 0..3 {
            self.scatter(&mut crowd, epithelial_step, random, |kind, depth, x, y, random| match kind {
                Kind::Tumour => self.epithelial(traits, glandular, depth, x, y, random),
                Kind::Keratin => random.chance(0.03).then(|| self.pyknotic(x, y, random)),
                Kind::Lumen => random.chance(0.006).then(|| self.pyknotic(x, y, random)),
                _ => None,
            });
        }
        for _ in 0..2 {
            self.scatter(&mut crowd, 5.5, random, |kind, depth, x, y, random| match kind {
                Kind::Lining => self.benign_epithelial(traits, pattern, depth, x, y, random),
                _ => None,
            });
        }
        let infiltrate = seed(random);
        let lymphocytes = traits.lymphocytes;
        for _ in 0..2 {
            self.scatter(&mut crowd, 5.6, random, |kind, depth, x, y, random| {
                let patch = f64::from(noise(infiltrate, x / 45.0, y / 45.0));
                let infiltrated = (0.03 + 0.5 * lymphocytes * (patch + 0.2).max(0.0)).min(0.8);
                match kind {
                    Kind::Lymphoid => random.chance(0.8).then(|| self.lymphocyte(x, y, random)),
                    Kind::Stroma if random.chance(infiltrated) => Some(self.lymphocyte(x, y, random)),
                    Kind::Stroma => random
                        .chance(0.02 + 0.07 * f64::from(share(infiltrate)))
                        .then(|| self.spindle(x, y, self.fibres.along(x, y), random)),
                    Kind::Muscle => random.chance(0.16).then(|| {
                        let [dx, dy] = self.inward(x, y);
                        self.spindle(x, y, [-dy, dx], random)
                    }),
                    Kind::Wall if random.chance(0.3 * infiltrated) => Some(self.lymphocyte(x, y, random)),
                    Kind::Wall => random.chance(0.34).then(|| self.pneumocyte(x, y, random)),
                    Kind::Tumour if random.chance(0.02 * lymphocytes) => Some(self.lymphocyte(x, y, random)),
                    Kind::Necrosis => random.chance(0.10).then(|| self.pyknotic(x, y, random)),
                    Kind::Glass if depth < 0.0 => {
                        random.chance(0.01 * lymphocytes).then(|| self.lymphocyte(x, y, random))
                    }
                    _ => None,
                }
            });
        }
        self.alter(&mut crowd, traits);
        crowd
    }

    /// One pass over a jittered grid: `make` proposes a nucleus, and it stays where it fits.
    fn scatter(
        &self,
        crowd: &mut Crowd,
        step_um: f32,
        random: &mut Random,
        make: impl Fn(Kind, f32, f32, f32, &mut Random) -> Option<Nucleus>,
    ) {
        let step = step_um.max(2.5);
        let (rows, columns) = (cell(count(self.height) * self.um / step), cell(count(self.width) * self.um / step));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step * (whole(column) + single(random.unit()));
                let y = step * (whole(row) + single(random.unit()));
                let Some(index) = self.index(x, y) else { continue };
                if let Some(nucleus) = make(self.kinds[index], self.depth[index], x, y, random)
                    && crowd.fits(&nucleus)
                {
                    crowd.push(nucleus);
                }
            }
        }
    }

    fn epithelial(
        &self,
        traits: &Traits,
        glandular: bool,
        depth: f32,
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Option<Nucleus> {
        let cells = traits.cells;
        let nucleus_um = single(random.log_normal(f64::from(cells.nucleus_um), f64::from(cells.spread)));
        if glandular {
            // Basal nuclei, at more heights the less the gland is differentiated; solid glands everywhere.
            let layer = cells.nucleus_um * cells.cell_ratio;
            let height = depth / layer;
            let highest = 0.5 + 0.9 * traits.stratified;
            if height < 0.22
                || (height > highest && height < 1.9 && !random.chance(0.1 + 0.2 * f64::from(traits.stratified)))
            {
                return None;
            }
            let mut nucleus = self.lesional(&cells, nucleus_um, self.inward(x, y), x, y, random);
            nucleus.room = 0.53 * nucleus_um / libm::sqrtf(cells.aspect).max(1.0) * (0.75 + 0.25 * cells.cell_ratio);
            return Some(nucleus);
        }
        // Basal cells of a nest are smaller and stand upright; inner ones lie as they fall.
        let basal = depth < 7.0 && cells.gaps > 0.0;
        let along = if basal { self.inward(x, y) } else { self.lie(cells.aspect, x, y, random) };
        let mut nucleus = self.lesional(&cells, nucleus_um * if basal { 0.9 } else { 1.0 }, along, x, y, random);
        if basal {
            nucleus.room *= 0.8;
        }
        // Rare giant nuclei in pleomorphic tumours.
        if cells.spread > 0.24 && random.chance(0.02) {
            nucleus.long *= 1.6;
            nucleus.short *= 1.6;
            nucleus.room *= 1.4;
        }
        Some(nucleus)
    }

    /// A direction: along the fibres for spindly cells, any for round ones.
    fn lie(&self, aspect: f32, x: f32, y: f32, random: &mut Random) -> [f32; 2] {
        let [fx, fy] = self.fibres.along(x, y);
        let pull = (2.4 * (aspect - 1.25)).clamp(0.0, 1.0);
        unit([pull * fx + single(random.normal(0.0, 0.6)), pull * fy + single(random.normal(0.0, 0.6))])
    }

    fn lesional(
        &self,
        cells: &Cells,
        nucleus_um: f32,
        along: [f32; 2],
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Nucleus {
        let aspect = libm::sqrtf((cells.aspect * single(random.log_normal(1.0, 0.1))).max(1.0));
        let nucleolus = random.chance(f64::from(cells.nucleoli));
        let size = nucleus_um / cells.nucleus_um;
        Nucleus {
            x,
            y,
            long: 0.5 * nucleus_um,
            short: 0.5 * nucleus_um / (aspect * aspect),
            along,
            room: 0.5 * cells.cell_ratio * nucleus_um * 0.93,
            look: Look {
                haematoxylin: cells.haematoxylin * single(random.log_normal(1.0, 0.13)),
                vesicular: (cells.vesicular + single(random.normal(0.0, 0.08))).clamp(0.0, 0.8),
                chromatin: cells.chromatin,
                grain_um: cells.grain_um,
                nucleolus_um: if nucleolus { cells.nucleolus_um * size } else { 0.0 },
                irregular: cells.irregular,
                moulding_gap_um: cells.moulding_gap_um,
                rim_um: 0.5,
                bordered: true,
            },
            seed: seed(random),
        }
    }

    /// Bronchial and gland cells, pneumocytes, histiocytes.
    fn benign_epithelial(
        &self,
        traits: &Traits,
        pattern: Pattern,
        depth: f32,
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Option<Nucleus> {
        let benign = traits.phenotype == Class::Normal;
        let mut cells = Cells {
            nucleus_um: if benign { traits.cells.nucleus_um } else { 8.5 },
            spread: 0.1,
            aspect: 1.45,
            haematoxylin: if benign { traits.cells.haematoxylin } else { 1.25 },
            vesicular: 0.2,
            chromatin: 0.2,
            nucleoli: if benign { traits.cells.nucleoli } else { 0.15 },
            nucleolus_um: 1.3,
            irregular: 0.03,
            cell_ratio: 1.5,
            ..traits.cells
        };
        let mut along = self.inward(x, y);
        match pattern {
            Pattern::Granuloma if benign => {
                // Epithelioid histiocytes: pale slipper-shaped nuclei in much cytoplasm without borders.
                cells = Cells {
                    nucleus_um: 12.5,
                    aspect: 2.1,
                    haematoxylin: 0.95,
                    vesicular: 0.4,
                    cell_ratio: 1.7,
                    ..cells
                };
                along = self.lie(1.4, x, y, random);
            }
            Pattern::Lining if benign => {
                // Squamous metaplasia: stratified, even nuclei, flatter towards the surface.
                cells = Cells { aspect: 1.3, cell_ratio: traits.cells.cell_ratio, ..cells };
            }
            Pattern::Glands if benign => {
                cells.aspect = 1.15;
                if !(2.0..9.0).contains(&depth) {
                    return None;
                }
            }
            Pattern::Reactive if benign => {
                cells.aspect = 1.2;
                if !(2.0..10.0).contains(&depth) {
                    return None;
                }
            }
            // A group on a smear is a sheet seen from above.
            _ if self.smear => cells.aspect = 1.2,
            // Pseudostratified columnar lining: nuclei in the lower two thirds.
            _ => {
                if !(2.5..13.0).contains(&depth) {
                    return None;
                }
            }
        }
        let nucleus_um = single(random.log_normal(f64::from(cells.nucleus_um), f64::from(cells.spread)));
        let mut nucleus = self.lesional(&cells, nucleus_um, along, x, y, random);
        if !(self.smear || benign && matches!(pattern, Pattern::Granuloma | Pattern::Lining)) {
            nucleus.room = 0.52 * nucleus_um / libm::sqrtf(cells.aspect);
        }
        Some(nucleus)
    }

    fn plain(&self, x: f32, y: f32, size: [f64; 2], along: [f32; 2], random: &mut Random) -> Nucleus {
        let scale = random.log_normal(0.5, 0.1);
        Nucleus {
            x,
            y,
            long: single(size[0] * scale),
            short: single(size[1] * scale),
            along,
            room: single(0.5 * size[1] * 1.12),
            look: Look { haematoxylin: 1.4 * single(random.log_normal(1.0, 0.12)), ..Look::PLAIN },
            seed: seed(random),
        }
    }

    /// A lymphocyte: round, dark, 7 µm (WHO's yardstick for small cell carcinoma).
    fn lymphocyte(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let mut nucleus = self.plain(x, y, [7.0, 6.4], [1.0, 0.0], random);
        nucleus.look.haematoxylin *= 1.15;
        nucleus.look.chromatin = 0.3;
        nucleus.room = 3.7;
        nucleus
    }

    /// A fibroblast or muscle cell: some 14 by 3.5 µm.
    fn spindle(&self, x: f32, y: f32, along: [f32; 2], random: &mut Random) -> Nucleus {
        let long = random.log_normal(11.5, 0.25);
        let mut nucleus = self.plain(x, y, [long, random.range(2.0, 4.4)], along, random);
        nucleus.room = 4.5;
        nucleus
    }

    /// A capillary's or a type-I pneumocyte's nucleus: flat along the wall.
    fn pneumocyte(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let [dx, dy] = self.inward(x, y);
        let size = [random.range(6.5, 10.0), random.range(3.5, 6.0)];
        let mut nucleus = self.plain(x, y, size, [-dy, dx], random);
        nucleus.room = 4.4;
        nucleus
    }

    /// Shrunken, black, 3 to 6 µm.
    fn pyknotic(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let size = random.range(2.0, 6.0);
        let along = unit([single(random.normal(0.0, 1.0)), single(random.normal(0.0, 1.0))]);
        let mut nucleus = self.plain(x, y, [size * 1.3, size], along, random);
        nucleus.look.haematoxylin = 1.7;
        nucleus.look.irregular = 0.12;
        nucleus
    }

    fn place_single(&self, crowd: &mut Crowd, traits: &Traits, cell: (f32, f32, f32, Kind), random: &mut Random) {
        let (x, y, radius, kind) = cell;
        let along = unit([single(random.normal(0.0, 1.0)), single(random.normal(0.0, 1.0))]);
        let offset = single(random.range(-0.3, 0.3)) * radius;
        let nucleus = if kind == Kind::Tumour {
            let size = 2.0 * radius / traits.cells.cell_ratio;
            self.lesional(&traits.cells, size, along, x + 0.3 * offset, y, random)
        } else {
            let mut nucleus = self.plain(x + offset, y, [7.5, 6.0], along, random);
            nucleus.look.vesicular = 0.25;
            nucleus.room = radius;
            nucleus
        };
        crowd.push(nucleus);
    }

    /// Crush draws nuclei out along the fibres, autolysis fades them.
    fn alter(&self, crowd: &mut Crowd, traits: &Traits) {
        for nucleus in &mut crowd.nuclei {
            let Some(index) = self.index(nucleus.x, nucleus.y) else { continue };
            let crush = self.crush[index];
            if crush > 0.25 {
                nucleus.along = self.fibres.along(nucleus.x, nucleus.y);
                nucleus.long *= 1.0 + 1.3 * crush;
                nucleus.short *= 1.0 - 0.45 * crush;
                nucleus.look.chromatin *= 1.0 - 0.8 * crush;
                nucleus.look.vesicular *= 1.0 - crush;
                nucleus.look.nucleolus_um *= 1.0 - crush;
                nucleus.look.rim_um += 1.2 * crush;
            }
            let fading = traits.autolysis * (0.6 + 0.4 * share(nucleus.seed));
            nucleus.look.haematoxylin *= 1.0 - 0.4 * fading;
            nucleus.look.chromatin *= 1.0 - 0.7 * fading;
            nucleus.look.nucleolus_um *= 1.0 - 0.7 * fading;
            nucleus.look.rim_um += 0.9 * fading;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Image formation: dyes, light, camera
// ---------------------------------------------------------------------------------------------------------------------

/// Concentrations by pixel; Macenko's reference has a 99th percentile of 1.97 for haematoxylin and 1.03 for eosin.
struct Dyes {
    haematoxylin: Vec<f32>,
    eosin: Vec<f32>,
    /// Optical density of carbon, the same in R, G and B.
    carbon: Vec<f32>,
}

impl Dyes {
    /// Cytoplasm, fibres and fluids.
    fn of_tissue(field: &Field, traits: &Traits, crowd: &Crowd, random: &mut Random) -> Self {
        let mut dyes = Self {
            haematoxylin: vec![0.0; field.kinds.len()],
            eosin: vec![0.0; field.kinds.len()],
            carbon: vec![0.0; field.kinds.len()],
        };
        let [fine, coarse, wide, fibre, mucin] = std::array::from_fn(|_| seed(random));
        let pale_mucus = random.chance(0.5);
        for row in 0..field.height {
            for column in 0..field.width {
                let index = row * field.width + column;
                let kind = field.kinds[index];
                if matches!(kind, Kind::Glass | Kind::Air) {
                    continue;
                }
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                let grain = noise(fine, x / 1.5, y / 1.5);
                let patch = noise(coarse, x / 7.0, y / 7.0);
                let drift = 1.0 + 0.14 * noise(wide, x / 60.0, y / 60.0);
                let (h, e) = match kind {
                    Kind::Glass | Kind::Air => (0.0, 0.0),
                    Kind::Lumen => {
                        let mucus = (noise(mucin, x / 22.0, y / 22.0) - 0.1).max(0.0);
                        if pale_mucus { (0.35 * mucus, 0.08 * mucus) } else { (0.06 * mucus, 0.6 * mucus) }
                    }
                    Kind::Wall => (0.12 + 0.05 * grain, 0.52 + 0.1 * patch + 0.07 * grain),
                    Kind::Stroma | Kind::Muscle => {
                        let (across, along) = if kind == Kind::Muscle {
                            (field.depth[index] + 4.0 * patch, 0.35 * (x + y))
                        } else {
                            field.fibres.at(x, y)
                        };
                        let coarse_fibre = noise(fibre, across / 3.1, along / 34.0);
                        let thin_fibre = noise(fibre ^ 0x21, across / 1.4, along / 15.0);
                        let loose = noise(wide ^ 0x3, x / 38.0, y / 38.0);
                        let texture = 0.75 + 0.32 * coarse_fibre + 0.2 * thin_fibre + 0.22 * loose;
                        let dense = if kind == Kind::Muscle { 0.95 } else { traits.collagen };
                        (0.07 + 0.03 * thin_fibre, (dense * texture).max(0.06))
                    }
                    Kind::Fluid | Kind::Secretion => (0.05, 0.5 + 0.05 * patch + 0.03 * grain),
                    Kind::Blood => (0.04, 0.3 + 0.04 * grain),
                    Kind::Lymphoid => (0.2 + 0.06 * grain, 0.26 + 0.06 * patch),
                    Kind::Necrosis => (0.17 + 0.16 * grain.max(0.0), 0.62 + 0.16 * patch + 0.16 * grain),
                    Kind::Macrophage => (0.12 + 0.06 * grain, 0.36 + 0.18 * noise(coarse, x / 2.6, y / 2.6)),
                    Kind::Keratin => {
                        // Squames: lamellae that waver, merge and flake.
                        let waver = noise(coarse, x / 17.0, y / 17.0) + 0.5 * noise(coarse ^ 5, x / 6.0, y / 6.0);
                        let turn = 0.95 * field.depth[index] + 5.5 * waver;
                        let flake = (0.6 + 0.6 * noise(coarse ^ 7, x / 12.0, y / 12.0)).max(0.0);
                        let lamella = flake * libm::sinf(turn);
                        let cleft = (lamella - 0.75).max(0.0);
                        (
                            0.05 + 0.06 * grain.max(0.0),
                            0.92 + 0.22 * lamella - 1.4 * cleft + 0.12 * patch + 0.06 * grain,
                        )
                    }
                    Kind::Tumour | Kind::Lining => dyes_of_cytoplasm(field, traits, crowd, index, x, y, grain, patch),
                };
                dyes.haematoxylin[index] = (h * drift).max(0.0);
                dyes.eosin[index] = (e * drift).max(0.0);
            }
        }
        dyes
    }

    /// Nuclei over the tissue, each in its own box.
    fn add_nuclei(&mut self, field: &Field, crowd: &Crowd) {
        let mut pressing: Vec<[f32; 3]> = Vec::new();
        for (own, nucleus) in crowd.nuclei.iter().enumerate() {
            let reach = nucleus.long * 1.35 + nucleus.look.rim_um;
            // A neighbour's pressure is a half-plane: unit vector towards it, and the distance of the border.
            pressing.clear();
            crowd.around(nucleus.x, nucleus.y, 2.0 * reach, |index, other| {
                let (dx, dy) = (other.x - nucleus.x, other.y - nucleus.y);
                let apart = (dx * dx + dy * dy).sqrt();
                if index != own && apart > 0.5 && apart < 1.2 * (nucleus.long + other.long) {
                    let (mine, theirs) = (nucleus.long * nucleus.short, other.long * other.short);
                    let border = (apart * apart + mine - theirs) / (2.0 * apart) - 0.5 * nucleus.look.moulding_gap_um;
                    pressing.push([dx / apart, dy / apart, border]);
                }
            });
            self.add_nucleus(field, nucleus, reach, &pressing);
        }
    }

    fn add_nucleus(&mut self, field: &Field, nucleus: &Nucleus, reach: f32, pressing: &[[f32; 3]]) {
        let look = nucleus.look;
        let wave =
            |order: u32| 2.0 * share(nucleus.seed.rotate_left(order * 5) ^ order.wrapping_mul(0x9e37_79b1)) - 1.0;
        let outline: [f32; 8] = std::array::from_fn(|order| wave(u32::try_from(order).unwrap_or(0)) * look.irregular);
        let nucleolus = [wave(11) * 0.35 * nucleus.short, wave(13) * 0.35 * nucleus.short, 0.5 * look.nucleolus_um];
        let rim = look.rim_um.max(0.6 * field.um);
        let (rows, columns) = (field.span(nucleus.y, reach, field.height), field.span(nucleus.x, reach, field.width));
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) = (count(column) * field.um - nucleus.x, count(row) * field.um - nucleus.y);
                let u = dx * nucleus.along[0] + dy * nucleus.along[1];
                let v = dy * nucleus.along[0] - dx * nucleus.along[1];
                let (p, q) = (u / nucleus.long, v / nucleus.short);
                let rho = (p * p + q * q).sqrt();
                if rho > 1.7 {
                    continue;
                }
                // The outline's Fourier terms 2 to 5, by powers of the unit complex number of the direction.
                let (c, s) = if rho > 1e-4 { (p / rho, q / rho) } else { (1.0, 0.0) };
                let (mut re, mut im, mut edge) = (c, s, 1.0);
                for order in 0..4 {
                    (re, im) = (re * c - im * s, re * s + im * c);
                    edge += outline[2 * order] * re + outline[2 * order + 1] * im;
                }
                let mut inside = (edge - rho) * nucleus.short;
                for [px, py, border] in pressing {
                    inside = inside.min(border - (dx * px + dy * py));
                }
                let cover = (0.5 + 0.5 * inside / rim).clamp(0.0, 1.0);
                if cover <= 0.0 {
                    continue;
                }
                // Chromatin: cleared centre, membrane, grains, nucleolus.
                let membrane = (1.0 - (inside - 0.6).abs() / 0.9).max(0.0);
                let cleared = look.vesicular * (inside / 1.6).clamp(0.0, 1.0);
                let (gx, gy) = (u / look.grain_um, v / look.grain_um);
                let grains = noise(nucleus.seed, gx, gy) + 0.7 * noise(nucleus.seed ^ 0x5a, 0.45 * gx, 0.45 * gy);
                let mut h = look.haematoxylin
                    * (1.0 - 0.75 * cleared + (0.1 + 0.35 * look.vesicular) * membrane + look.chromatin * grains);
                let mut e_kept = 0.45;
                if nucleolus[2] > 0.3 {
                    let (nx, ny) = (u - nucleolus[0], v - nucleolus[1]);
                    let spot = (1.2 - (nx * nx + ny * ny) / (nucleolus[2] * nucleolus[2])).clamp(0.0, 1.0);
                    h += spot * (0.75 * look.haematoxylin).max(0.7);
                    e_kept += 0.4 * spot;
                }
                let index = row * field.width + column;
                let h = h.clamp(0.15, 2.4);
                self.haematoxylin[index] += cover * (h - self.haematoxylin[index]).max(0.0);
                self.eosin[index] *= 1.0 - cover * (1.0 - e_kept);
            }
        }
    }

    /// Crush streaks, karyorrhexis, red cells, carbon.
    fn add_debris(&mut self, field: &Field, traits: &Traits, random: &mut Random) {
        let [streaks, dust, specks, pigment] = std::array::from_fn(|_| seed(random));
        let vessels = traits.blood * random.range(0.5, 1.2);
        for row in 0..field.height {
            for column in 0..field.width {
                let index = row * field.width + column;
                let kind = field.kinds[index];
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                if field.crush[index] > 0.0
                    && matches!(kind, Kind::Tumour | Kind::Lymphoid | Kind::Lining | Kind::Stroma)
                {
                    let (across, along) = field.fibres.at(x, y);
                    let streak = noise(streaks, across / 2.6, along / 70.0)
                        + 0.5 * noise(streaks ^ 1, across / 1.2, along / 30.0);
                    let amount = if kind == Kind::Stroma { 0.45 } else { 1.25 };
                    self.haematoxylin[index] += amount * field.crush[index] * (streak - 0.05).max(0.0);
                }
                if kind == Kind::Necrosis {
                    let speck = noise(dust, x / 1.7, y / 1.7) * (0.6 + 0.4 * noise(dust ^ 1, x / 30.0, y / 30.0));
                    self.haematoxylin[index] += 2.2 * (speck - 0.42).max(0.0);
                }
                if traits.anthracosis > 0.0 && matches!(kind, Kind::Stroma | Kind::Macrophage | Kind::Lymphoid) {
                    let here = if kind == Kind::Macrophage { 0.25 } else { noise(pigment, x / 70.0, y / 70.0) - 0.45 };
                    if here > 0.0 {
                        let speck = noise(specks, x / 1.8, y / 1.8);
                        self.carbon[index] = single(traits.anthracosis) * 4.0 * here * (speck - 0.1).max(0.0);
                    }
                }
            }
        }
        self.add_red_cells(field, vessels, random);
    }

    /// Red cells of 7 µm: packed in vessels, single in walls and stroma, loose on smears.
    fn add_red_cells(&mut self, field: &Field, amount: f64, random: &mut Random) {
        let bleeding = seed(random);
        let step = 6.2;
        let (rows, columns) = (cell(count(field.height) * field.um / step), cell(count(field.width) * field.um / step));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step * (whole(column) + single(random.range(0.15, 0.85)));
                let y = step * (whole(row) + single(random.range(0.15, 0.85)));
                let (draw, radius) = (random.unit(), single(random.range(2.7, 3.6)));
                let Some(index) = field.index(x, y) else { continue };
                let pool = f64::from((noise(bleeding, x / 90.0, y / 90.0) - 0.35).max(0.0));
                let chance = match field.kinds[index] {
                    Kind::Blood => 0.9,
                    Kind::Wall => 0.06 + 0.3 * amount * pool,
                    Kind::Stroma | Kind::Necrosis => 0.006 + 0.8 * amount * pool,
                    Kind::Air | Kind::Lumen => 0.9 * amount * pool,
                    Kind::Glass if field.depth[index] < 0.0 => 0.05 * amount,
                    _ => 0.0,
                };
                if draw >= chance {
                    continue;
                }
                let (ys, xs) = (field.span(y, radius + 1.0, field.height), field.span(x, radius + 1.0, field.width));
                for row in ys {
                    for column in xs.clone() {
                        let (dx, dy) = (count(column) * field.um - x, count(row) * field.um - y);
                        let distance = (dx * dx + dy * dy).sqrt();
                        let cover = (0.5 + (radius - distance) / 0.9).clamp(0.0, 1.0);
                        let index = row * field.width + column;
                        let pallor = 0.2 * (1.0 - distance / radius).max(0.0);
                        self.eosin[index] += cover * (1.0 - pallor - self.eosin[index]).max(0.0);
                    }
                }
            }
        }
    }

    /// Beer-Lambert, the optics' blur, the camera's noise, eight bits.
    fn photograph(&self, field: &Field, preparation: &Preparation, random: &mut Random) -> RgbImage {
        let scaled = |vector: [f64; 3], gain: f64| vector.map(|part| single(part * gain));
        let h_od = scaled(preparation.haematoxylin, preparation.gains[0]);
        let e_od = scaled(preparation.eosin, preparation.gains[1]);
        let light = preparation.light.map(single);
        let mut kernel: [f32; 4] = std::array::from_fn(|offset| {
            let offset = real(offset) / preparation.blur_px;
            single(libm::exp(-0.5 * offset * offset))
        });
        let sum = kernel[0] + 2.0 * (kernel[1] + kernel[2] + kernel[3]);
        kernel.iter_mut().for_each(|weight| *weight /= sum);

        let noise_seed = seed(random);
        let noise_sd = single(preparation.noise_levels);
        let mut bytes = vec![0_u8; 3 * field.kinds.len()];
        let mut plane = vec![0.0_f32; field.kinds.len()];
        let mut turned = vec![0.0_f32; field.kinds.len()];
        for channel in 0..3 {
            for (index, level) in plane.iter_mut().enumerate() {
                let density = h_od[channel] * self.haematoxylin[index]
                    + e_od[channel] * self.eosin[index]
                    + self.carbon[index].min(2.5);
                *level = light[channel] * libm::expf(-density);
            }
            // Twice along rows with a transposition between: columns are blurred with the same code.
            blur_and_turn(&plane, &mut turned, field.width, field.height, &kernel);
            blur_and_turn(&turned, &mut plane, field.height, field.width, &kernel);
            for (index, level) in plane.iter().enumerate() {
                let noisy = level + noise_sd * deviation(noise_seed, index, channel);
                bytes[3 * index + channel] = level_of(noisy);
            }
        }
        RgbImage::from_raw(pixels(field.width), pixels(field.height), bytes).unwrap_or_default()
    }
}

/// Haematoxylin and eosin of an epithelial cell's cytoplasm and border.
#[expect(clippy::too_many_arguments, reason = "one pixel's place and its two noises, read in one inner loop")]
fn dyes_of_cytoplasm(
    field: &Field,
    traits: &Traits,
    crowd: &Crowd,
    index: usize,
    x: f32,
    y: f32,
    grain: f32,
    patch: f32,
) -> (f32, f32) {
    let cells = traits.cells;
    let tumour = field.kinds[index] == Kind::Tumour;
    let own = tumour || traits.phenotype == Class::Normal;
    let (base_h, base_e) = if own { (cells.cytoplasm_h, cells.cytoplasm_e) } else { (0.16, 0.45) };
    let foam = noise(0x0f0a, x / 3.2, y / 3.2);
    let (mut h, mut e) =
        (base_h * (1.0 + 0.3 * patch + 0.25 * foam), base_e * (1.0 + 0.16 * patch + 0.16 * grain + 0.14 * foam));
    let Some((border, nearest)) = crowd.border(x, y) else { return (h, e) };
    let nucleus = &crowd.nuclei[nearest];
    let fate = share(nucleus.seed.rotate_left(9) ^ 0x5bd1_e995);
    e *= 0.84 + 0.32 * share(nucleus.seed ^ 0x1b87_3593);
    if tumour && fate < traits.dyskeratosis {
        let body = (border / 2.0).clamp(0.2, 1.0);
        e += 0.45 * body;
        h *= 1.0 - 0.5 * body;
    } else if tumour && fate > 1.0 - traits.vacuoles {
        // A mucin vacuole beside the nucleus.
        let angle = share(nucleus.seed ^ 0x77) - 0.5;
        let away = 0.9 * nucleus.long;
        let (dx, dy) = (x - nucleus.x - away * angle, y - nucleus.y - away * (0.5 - angle.abs()) * 2.0);
        let radius = 0.8 * nucleus.long;
        let cleared = (1.3 - (dx * dx + dy * dy) / (radius * radius)).clamp(0.0, 1.0);
        e *= 1.0 - 0.85 * cleared;
        h *= 1.0 - 0.35 * cleared;
    }
    // Keratinising cells take more eosin with distance from the base.
    if tumour && cells.gaps > 0.0 && traits.dyskeratosis > 0.0 {
        e *= 1.0 + 0.35 * cells.gaps * (field.depth[index] / 45.0).clamp(0.0, 1.0);
    }
    if cells.gaps > 0.0 && own {
        // A bright gap, crossed by bridges about a µm apart.
        let bridge = 0.7 + 0.3 * noise(0x0b1d, x / 0.9, y / 0.9);
        let gap = cells.gaps * (1.0 - border / 1.1).clamp(0.0, 1.0) * bridge;
        e *= 1.0 - 0.75 * gap;
        h *= 1.0 - 0.6 * gap;
    } else if cells.gaps < 0.0 {
        e *= 1.0 - 0.6 * cells.gaps * (1.0 - border / 0.8).clamp(0.0, 1.0);
    }
    (h, e)
}

/// Blurs each row of `from` and writes it as a column of `to`.
fn blur_and_turn(from: &[f32], to: &mut [f32], width: usize, height: usize, kernel: &[f32; 4]) {
    let reach = kernel.len() - 1;
    let mut padded = vec![0.0_f32; width + 2 * reach];
    for row in 0..height {
        let line = &from[row * width..(row + 1) * width];
        padded[reach..reach + width].copy_from_slice(line);
        padded[..reach].fill(line[0]);
        padded[reach + width..].fill(line[width - 1]);
        for column in 0..width {
            let centre = column + reach;
            let mut sum = kernel[0] * padded[centre];
            for (offset, weight) in kernel.iter().enumerate().skip(1) {
                sum += weight * (padded[centre - offset] + padded[centre + offset]);
            }
            to[column * height + row] = sum;
        }
    }
}

/// A nearly normal deviate for one pixel: four uniform bytes less their mean, of unit variance.
fn deviation(seed: u32, index: usize, channel: usize) -> f32 {
    let place = i32::try_from(index % 0x7fff_ffff).unwrap_or(0);
    let bytes = hash(seed, place, i32::try_from(channel).unwrap_or(0)).to_le_bytes();
    let sum: u16 = bytes.into_iter().map(u16::from).sum();
    // Four bytes of variance (256² − 1) / 12 each.
    (f32::from(sum) - 510.0) / 147.8
}

// Noise and numbers.

/// A hash of a lattice point.
fn hash(seed: u32, x: i32, y: i32) -> u32 {
    let mut hash = seed
        ^ x.cast_unsigned().wrapping_mul(0x9e37_79b1)
        ^ y.cast_unsigned().wrapping_mul(0x85eb_ca77).rotate_left(15);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    hash ^ (hash >> 15)
}

/// A hash as a number in [0, 1).
fn share(hash: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit the mantissa")]
    let bits = (hash >> 8) as f32;
    bits * (1.0 / 16_777_216.0)
}

/// Smooth noise on a unit lattice, −1 to 1.
fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let ((column, fx), (row, fy)) = (split(x), split(y));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let at = |column: i32, row: i32| share(hash(seed, column, row));
    let above = at(column, row) + sx * (at(column + 1, row) - at(column, row));
    let below = at(column, row + 1) + sx * (at(column + 1, row + 1) - at(column, row + 1));
    2.0 * (above + sy * (below - above)) - 1.0
}

/// Noise of several octaves, each turned against the last so that the lattice does not show.
fn fractal(seed: u32, x: f32, y: f32, octaves: u32) -> f32 {
    let (mut u, mut v, mut sum, mut weight) = (0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * noise(seed.wrapping_add(octave), u, v);
        (u, v) = (2.1 * (0.6 * u - 0.8 * v), 2.1 * (0.8 * u + 0.6 * v));
        weight *= 0.5;
    }
    sum
}

/// The value below which `share` of the values lie; of a sample of them.
fn quantile(values: impl Iterator<Item = f32>, share: f64) -> f32 {
    let mut sample: Vec<f32> = values.step_by(7).collect();
    sample.sort_unstable_by(f32::total_cmp);
    let rank = usize::try_from(cell(single(share.clamp(0.0, 1.0) * real(sample.len())))).unwrap_or(0);
    match (sample.last(), sample.get(rank)) {
        (_, Some(value)) => *value,
        (Some(last), None) => last + 1e-3,
        (None, None) => f32::MAX,
    }
}

fn unit([x, y]: [f32; 2]) -> [f32; 2] {
    let length = (x * x + y * y).sqrt();
    if length > 1e-6 { [x / length, y / length] } else { [1.0, 0.0] }
}

/// A seed for the noise functions.
fn seed(random: &mut Random) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 2^32)")]
    let seed = (random.unit() * 4_294_967_296.0) as u32;
    seed
}

/// The integer part towards minus infinity, and the rest.
fn split(value: f32) -> (i32, f32) {
    let below = cell(value);
    let floor = if whole(below) > value { below - 1 } else { below };
    (floor, value - whole(floor))
}

/// The integer part towards zero.
fn cell(value: f32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates; lattices are far smaller")]
    let cell = value as i32;
    cell
}

fn whole(value: i32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "lattice places are below 2^24")]
    let whole = value as f32;
    whole
}

fn count(value: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "pixels of a row are below 2^24")]
    let count = value as f32;
    count
}

fn real(value: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pixels are below 2^52")]
    let real = value as f64;
    real
}

fn single(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a picture")]
    let single = value as f32;
    single
}

/// A pixel count as the `image` crate has it.
fn pixels(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A level, rounded half up and clamped.
fn level_of(value: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u8")]
    let level = (value + 0.5).clamp(0.0, 255.0) as u8;
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 112;

    fn rendered(phenotype: Class, specimen: Specimen, seed: u64) -> (Rendered, Preparation) {
        let mut random = Random::new(seed, "case");
        let preparation = Preparation::draw(random.below(4), &mut random);
        let obscurity = random.unit();
        let traits = Traits::draw(phenotype, obscurity, &mut random);
        let request = Request { phenotype, obscurity, specimen, width: SIDE, height: SIDE, um_per_px: 1.0 };
        (render(&request, &preparation, &traits, &mut Random::new(seed, "field 0")), preparation)
    }

    fn each(cases: u64, mut check: impl FnMut(Class, Specimen, u64, &Rendered, &Preparation)) {
        for phenotype in Class::ALL {
            for specimen in Specimen::ALL {
                for seed in 0..cases {
                    let (field, preparation) = rendered(phenotype, specimen, seed);
                    check(phenotype, specimen, seed, &field, &preparation);
                }
            }
        }
    }

    /// Optical density against white, as stain normalisation has it.
    fn densities(field: &RgbImage) -> Vec<[f64; 3]> {
        field.pixels().map(|pixel| pixel.0.map(|level| -libm::log((f64::from(level) + 1.0) / 241.0))).collect()
    }

    fn mean([r, g, b]: [f64; 3]) -> f64 {
        (r + g + b) / 3.0
    }

    #[test]
    fn bytes_are_frozen() {
        // Cohorts are regenerated from their seed on other machines: these figures never change.
        let fnv = |bytes: &[u8]| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
        };
        let mut bytes = Vec::new();
        each(1, |_, _, _, rendered, _| {
            bytes.extend_from_slice(rendered.field.as_raw());
            bytes.extend_from_slice(rendered.mask.as_raw());
        });
        assert_eq!(fnv(&bytes), 0x6a83_df8b_9cab_9515, "{:#018x}", fnv(&bytes));
    }

    #[test]
    fn the_mask_is_empty_only_without_tumour() {
        each(4, |phenotype, specimen, seed, rendered, _| {
            let marked = rendered.mask.pixels().filter(|pixel| pixel.0[0] == 255).count();
            assert!(rendered.mask.pixels().all(|pixel| matches!(pixel.0[0], 0 | 255)));
            assert_eq!(marked == 0, phenotype == Class::Normal, "{phenotype:?} {specimen:?} {seed}: {marked}");
        });
    }

    #[test]
    fn every_specimen_has_its_tissue() {
        each(4, |phenotype, specimen, seed, rendered, _| {
            let densities = densities(&rendered.field);
            let tissue = densities.iter().filter(|density| mean(**density) >= 0.15).count();
            let share = real(tissue) / real(densities.len());
            let least = match specimen {
                Specimen::Biopsy => 0.45,
                Specimen::Cytology => 0.15,
                Specimen::Resection => 0.3,
            };
            assert!(share >= least, "{phenotype:?} {specimen:?} {seed}: {share}");
        });
    }

    #[test]
    fn both_stains_are_seen() {
        each(4, |phenotype, specimen, seed, rendered, preparation| {
            // The share of haematoxylin in each tissue pixel, by least squares on the two stains.
            let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (h, e) = (preparation.haematoxylin, preparation.eosin);
            let overlap = dot(h, e);
            let mut shares: Vec<f64> = densities(&rendered.field)
                .into_iter()
                .filter(|density| mean(*density) >= 0.15)
                .map(|density| {
                    let (along_h, along_e) = (dot(density, h), dot(density, e));
                    let (h, e) = (along_h - overlap * along_e, along_e - overlap * along_h);
                    h.max(0.0) / (h.max(0.0) + e.max(0.0)).max(1e-9)
                })
                .collect();
            shares.sort_by(f64::total_cmp);
            let (low, high) = (shares[shares.len() / 20], shares[shares.len() * 19 / 20]);
            assert!(low < 0.45 && high > 0.6, "{phenotype:?} {specimen:?} {seed}: {low} {high}");
        });
    }

    #[test]
    fn levels_are_not_clipped() {
        each(3, |phenotype, specimen, seed, rendered, _| {
            let levels = rendered.field.as_raw();
            let clipped = levels.iter().filter(|level| matches!(level, 0 | 255)).count();
            assert!(real(clipped) / real(levels.len()) < 0.005, "{phenotype:?} {specimen:?} {seed}: {clipped}");
        });
    }

    #[test]
    fn preparations_stay_within_their_bounds() {
        let mut random = Random::new(3, "preparations");
        for case in 0..400 {
            let drawn = Preparation::draw(case % 4, &mut random);
            let cosine: f64 = drawn.haematoxylin.iter().zip(drawn.eosin).map(|(h, e)| h * e).sum();
            assert!(cosine <= libm::cos(LEAST_STAIN_ANGLE_DEG.to_radians()), "{drawn:?}");
            assert!(drawn.light.iter().all(|level| (225.0..=250.0).contains(level)), "{drawn:?}");
            assert!(drawn.gains.iter().all(|gain| (0.7..=1.35).contains(gain)), "{drawn:?}");
        }
    }

    #[test]
    fn a_field_depends_on_its_stream_alone() {
        let again = || rendered(Class::Adenocarcinoma, Specimen::Resection, 2).0;
        let first = again();
        assert_eq!(first.field, again().field);
        assert_eq!(first.mask, again().mask);
        assert_ne!(first.field, rendered(Class::Adenocarcinoma, Specimen::Resection, 3).0.field);
    }
}
