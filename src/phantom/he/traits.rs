//! What all fields of one case share: growth pattern, cells, and what else is in the tissue.

use hilum_domain::Class;

use crate::{Random, numbers::single};

/// How a lesion is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
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
    pub(super) const fn has_air(self) -> bool {
        matches!(self, Self::Lepidic | Self::Papillary | Self::Reactive)
    }
}

/// The lesion's cells. Lengths in µm, dyes in units of concentration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells {
    /// Median long diameter of a nucleus.
    pub(super) nucleus_um: f32,
    /// Standard deviation of its logarithm.
    pub(super) spread: f32,
    pub(super) aspect: f32,
    pub(super) haematoxylin: f32,
    /// How much of the nucleus' centre is cleared, 0 to 1.
    pub(super) vesicular: f32,
    /// Contrast and grain of the chromatin.
    pub(super) chromatin: f32,
    pub(super) grain_um: f32,
    /// How often a nucleolus is seen, and its diameter.
    pub(super) nucleoli: f32,
    pub(super) nucleolus_um: f32,
    pub(super) irregular: f32,
    /// Diameter of the cell per diameter of its nucleus.
    pub(super) cell_ratio: f32,
    pub(super) cytoplasm_e: f32,
    pub(super) cytoplasm_h: f32,
    /// How clear the borders between cells are: above 0 bright gaps with bridges, below 0 dark membranes.
    pub(super) gaps: f32,
    /// Space between neighbouring nuclei where they press on each other; negative lets them overlap.
    pub(super) moulding_gap_um: f32,
}

/// What all fields of one case share: growth pattern, grade, cells, and what else is in the tissue.
#[derive(Debug, Clone)]
pub struct Traits {
    pub(super) phenotype: Class,
    pub(super) pattern: Pattern,
    pub(super) second_pattern: Pattern,
    pub(super) cells: Cells,
    /// Share of the tissue that the lesion takes.
    pub(super) share: f64,
    /// Share of the lesion that is nests, the rest being stroma (`Pattern::Nests` only).
    pub(super) nest_share: f64,
    pub(super) nest_scale_um: f64,
    /// How often a deep place of a nest has a keratin pearl; how many single cells keratinise.
    pub(super) pearls: f64,
    pub(super) dyskeratosis: f32,
    /// How many cells hold a mucin vacuole.
    pub(super) vacuoles: f32,
    /// Share of glands that are solid, and of those that are cribriform.
    pub(super) solid_glands: f32,
    pub(super) cribriform: f32,
    /// 0 one layer of basal nuclei, 1 nuclei at every height.
    pub(super) stratified: f32,
    pub(super) rosettes: f64,
    pub(super) necrosis: f64,
    pub(super) lymphocytes: f64,
    pub(super) crush: f64,
    /// 0 fresh, 1 nuclei are fading shadows.
    pub(super) autolysis: f32,
    /// Eosin of collagen.
    pub(super) collagen: f32,
    pub(super) desmoplasia_um: f32,
    pub(super) anthracosis: f64,
    pub(super) blood: f64,
    pub(super) macrophages: f64,
    /// Share of what is not lesion that is stroma, not lung.
    pub(super) stroma_share: f64,
    /// Share of aerated lung that is tissue.
    pub(super) wall_share: f64,
}

impl Traits {
    /// The traits of one case of `phenotype`; `obscurity` is 0, clear, to 1: scanty, crushed, autolytic, mixed with other
    /// tissue.
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

    /// Nuclei of 10 to 16 µm, two of four growth patterns (of the five of WHO 2021, the micropapillary is left out).
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

    /// Nuclei of 13 to 22 µm, vesicular, with a prominent nucleolus; sheets without gland or keratin.
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
