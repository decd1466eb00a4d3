//! Every page in every language: nothing clipped, nothing without a glyph, nothing too faint or too small to touch; and pixel
//! for pixel as it was when somebody looked at it.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use embedded_graphics::prelude::Size;
use hilum_screen::{
    Area, Frame,
    page::{Act, Field},
    paint::Painter,
    scene::{Item, Scene},
    specimen::{LOOKS, Person, pages},
    theme::Look,
    words::Language,
};
use sha2::{Digest as _, Sha256};

fn painted(scene: &Scene<Act>, look: Look, painter: &mut Painter) -> Frame {
    let mut frame = Frame::new(Size::new(look.width.into(), look.height.into()));
    let Ok(()) = painter.paint(scene, Area::new(0, 0, look.width, look.height), &mut frame);
    frame
}

fn faults(look: Look) -> Vec<String> {
    let mut painter = Painter::default();
    let mut found = Vec::new();
    for language in Language::ALL {
        for page in pages(look, language) {
            let faults = page.scene.faults(&look, painter.typesetter());
            let of = format!("{} {} {}x{}", page.name, language.code(), look.width, look.height);
            found.extend(faults.into_iter().map(|fault| format!("{of}: {fault}")));
        }
    }
    found
}

#[track_caller]
fn check(look: Look) {
    let found = faults(look);
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

// verifies: REQ-SCREEN-01
#[test]
fn on_1280x800() {
    check(LOOKS[0]);
}

// verifies: REQ-SCREEN-01
#[test]
fn on_800x480() {
    check(LOOKS[1]);
}

#[test]
fn on_1024x600() {
    check(LOOKS[2]);
}

#[test]
fn on_800x1280() {
    check(LOOKS[3]);
}

#[test]
fn on_480x800() {
    check(LOOKS[4]);
}

#[test]
fn on_600x1024() {
    check(LOOKS[5]);
}

// verifies: REQ-SCREEN-01
#[test]
fn in_large_letters() {
    for look in LOOKS {
        check(Look { large: true, ..look });
    }
}

/// Identifiers that look the same would be taken for the same.
// verifies: REQ-PATIENT-03
#[test]
fn what_cannot_be_read_opens_no_case() {
    let opens = |first: &str| {
        let mut person = Person::new(LOOKS[0], Language::English, false).at_home();
        person.tap(Act::New);
        for text in [first, "1954-03-02", "63"] {
            person.scans(text);
        }
        for field in [Field::Sex, Field::Smoking, Field::Specimen] {
            person.tap(Act::Choose(field, None));
        }
        person.offers(&Act::Open)
    };
    for legible in
        ["4711", "N\u{e9}e", "Ne\u{301}e", "\u{e2a}\u{e21}\u{e28}\u{e23}\u{e35}", "\u{627}\u{62d}\u{645}\u{62f}"]
    {
        assert!(opens(legible), "{legible}");
    }
    for not in ["4711\u{1f600}", "\u{202e}1174", "47\u{200b}11", "\u{2067}4711", "47\u{ad}11", "\u{4f50}\u{85e4}"] {
        assert!(!opens(not), "{}", not.escape_unicode());
    }
}

/// A ring that is turned around with the words would lie on another place of the patient.
// verifies: REQ-CT-05
#[test]
fn rings_lie_on_the_same_place_in_both_directions() {
    // Shares of the picture, which may be larger in one language.
    let rings = |language, look| -> Vec<[f64; 2]> {
        let views = pages(look, language).into_iter().filter(|page| page.name.starts_with("viewing"));
        let of = |scene: &Scene<Act>| {
            let picture = scene.items.iter().find_map(|item| match item {
                Item::Picture { area, .. } => Some(*area),
                _ => None,
            });
            let picture = picture.expect("a slice");
            let rings = scene.items.iter().filter_map(|item| match item {
                Item::Ring { area, clip, .. } => {
                    assert_eq!(*clip, picture);
                    let share = |at: u16, edge: u16, from: u16, whole: u16| {
                        (f64::from(at) + f64::from(edge) / 2.0 - f64::from(from)) / f64::from(whole)
                    };
                    Some([
                        share(area.x, area.width, picture.x, picture.width),
                        share(area.y, area.height, picture.y, picture.height),
                    ])
                }
                _ => None,
            });
            rings.collect::<Vec<_>>()
        };
        views.flat_map(|page| of(&page.scene)).collect()
    };
    for look in LOOKS {
        let english = rings(Language::English, look);
        let arabic = rings(Language::Arabic, look);
        assert!(english.len() >= 3 && english.len() == arabic.len());
        for (one, other) in english.iter().flatten().zip(arabic.iter().flatten()) {
            assert!((one - other).abs() < 0.01, "{english:?} {arabic:?}");
        }
    }
}

fn golden() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/screen"))
}

/// What is seen pixel for pixel: a file of its own for each page in three languages on two panels, a hash for the rest.
///
/// `HILUM_GOLDEN=write` writes them anew; then look at each.
// verifies: REQ-SCREEN-02
#[test]
fn every_page_is_as_it_was() {
    let write = env::var_os("HILUM_GOLDEN").is_some_and(|value| value == "write");
    let mut painter = Painter::default();
    let (mut hashes, mut wrong) = (BTreeMap::new(), Vec::new());
    for (index, look) in LOOKS.into_iter().enumerate() {
        for language in Language::ALL {
            let seen = index < 2 && matches!(language, Language::English | Language::Thai | Language::Arabic);
            for page in pages(look, language) {
                let frame = painted(&page.scene, look, &mut painter);
                let name = format!("{}-{}-{}x{}", page.name, language.code(), look.width, look.height);
                if seen && page.first {
                    let path = golden().join(format!("{name}.png"));
                    if write {
                        fs::create_dir_all(golden()).expect("a folder");
                        save(&frame, &path);
                    } else {
                        let kept = image::open(&path).unwrap_or_else(|error| panic!("{name}: {error}")).into_rgb8();
                        let now = frame.image();
                        let differ = kept.pixels().zip(now.pixels()).filter(|(a, b)| a != b).count();
                        if kept.dimensions() != now.dimensions() || differ > 0 {
                            save(&frame, &env::temp_dir().join(format!("{name}.png")));
                            wrong.push(format!(
                                "{name}: {differ} pixels differ; the new one is in the temporary folder"
                            ));
                        }
                    }
                } else {
                    let bytes: Vec<u8> = frame.pixels().iter().flat_map(|pixel| pixel.to_be_bytes()).collect();
                    let hash: String = Sha256::digest(&bytes)[..].iter().map(|byte| format!("{byte:02x}")).collect();
                    hashes.insert(name, hash);
                }
            }
        }
    }
    let text: String = hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    let list = golden().join("SHA256SUMS");
    if write {
        fs::write(list, text).expect("written");
        return;
    }
    let kept = fs::read_to_string(list).expect("the list of hashes");
    let kept: BTreeMap<&str, &str> =
        kept.lines().filter_map(|line| line.split_once("  ").map(|(hash, name)| (name, hash))).collect();
    for (name, hash) in &hashes {
        if kept.get(name.as_str()) != Some(&hash.as_str()) {
            wrong.push(format!("{name}: another hash"));
        }
    }
    assert_eq!(kept.len(), hashes.len(), "the list of hashes has others");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn save(frame: &Frame, path: &std::path::Path) {
    use image::{ExtendedColorType, ImageEncoder as _, codecs::png};
    let file = fs::File::create(path).expect("a file");
    let encoder = png::PngEncoder::new_with_quality(file, png::CompressionType::Best, png::FilterType::NoFilter);
    let image = frame.image();
    encoder.write_image(&image, image.width(), image.height(), ExtendedColorType::Rgb8).expect("written");
}

/// With `HILUM_PAGES=FOLDER`, every page of `HILUM_LANGUAGE` on the panel `HILUM_LOOK` (its place in the list): to look at.
#[test]
fn pages_to_look_at() {
    let Some(folder) = env::var_os("HILUM_PAGES").map(PathBuf::from) else { return };
    let code = env::var("HILUM_LANGUAGE").unwrap_or_else(|_| "en".to_owned());
    let language = Language::ALL.into_iter().find(|language| language.code() == code).expect("a language");
    let index: usize = env::var("HILUM_LOOK").map_or(0, |index| index.parse().expect("a number"));
    let look = Look { large: env::var_os("HILUM_LARGE").is_some(), ..LOOKS[index] };
    let mut painter = Painter::default();
    for page in pages(look, language) {
        save(&painted(&page.scene, look, &mut painter), &folder.join(format!("{}.png", page.name)));
    }
}
