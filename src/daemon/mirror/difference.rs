//! What changed between two frames, as rectangles, and as bytes for a browser.

use embedded_graphics::prelude::OriginDimensions as _;
use hilum_screen::Frame;

/// Frames are compared in squares of so many pixels.
const TILE: usize = 64;
/// A rectangle of at most so many bytes is sent as it is: PNG would be no smaller.
const RAW_BYTES: usize = 192;

/// What a message of the server is: changed rectangles.
const CHANGED: u8 = 1;

/// A rectangle within a frame, in pixels. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Width and height, in pixels.
fn size(frame: &Frame) -> (usize, usize) {
    let size = frame.size();
    let whole = |length: u32| usize::try_from(length).unwrap_or(0);
    (whole(size.width), whole(size.height))
}

/// The pixels of one row, from `x`.
fn row(frame: &Frame, x: usize, y: usize, width: usize) -> &[u32] {
    let from = y * size(frame).0 + x;
    frame.pixels().get(from..from + width).unwrap_or_default()
}

/// Where two frames differ: rectangles that do not overlap. All of `after` if the sizes differ.
fn changed(before: Option<&Frame>, after: &Frame) -> Vec<Piece> {
    let (width, height) = size(after);
    let Some(before) = before.filter(|before| size(before) == (width, height)) else {
        let all = Piece { x: 0, y: 0, width, height };
        return if after.pixels().is_empty() { Vec::new() } else { vec![all] };
    };
    let mut pieces: Vec<Piece> = Vec::new();
    // Where the rectangles begin that the band above ended with.
    let mut above = 0;
    for top in (0..height).step_by(TILE) {
        let tall = TILE.min(height - top);
        let mut differs = vec![false; width.div_ceil(TILE)];
        for y in top..top + tall {
            if row(before, 0, y, width) == row(after, 0, y, width) {
                continue;
            }
            for (tile, differs) in differs.iter_mut().enumerate() {
                let (x, wide) = (tile * TILE, TILE.min(width - tile * TILE));
                *differs = *differs || row(before, x, y, wide) != row(after, x, y, wide);
            }
        }
        let mut grown = pieces.split_off(above);
        let kept = pieces.len();
        let mut tile = 0;
        while tile < differs.len() {
            let run = differs[tile..].iter().take_while(|differs| **differs).count();
            if run == 0 {
                tile += 1;
                continue;
            }
            let (x, wide) = (tile * TILE, (run * TILE).min(width - tile * TILE));
            match grown.iter().position(|piece| (piece.x, piece.width) == (x, wide)) {
                Some(same) => {
                    let piece = grown.swap_remove(same);
                    pieces.push(Piece { height: piece.height + tall, ..piece });
                }
                None => pieces.push(Piece { x, y: top, width: wide, height: tall }),
            }
            tile += run;
        }
        // Those that did not go on are done.
        above = kept + grown.len();
        let going_on = pieces.split_off(kept);
        pieces.extend(grown);
        pieces.extend(going_on);
    }
    pieces.into_iter().map(|piece| shrunk(before, after, piece)).collect()
}

/// The part of a rectangle that holds all that differs in it.
fn shrunk(before: &Frame, after: &Frame, piece: Piece) -> Piece {
    let Piece { x, y, width, height } = piece;
    let rows = || (y..y + height).map(|y| (row(before, x, y, width), row(after, x, y, width)));
    let differs = |(before, after): &(&[u32], &[u32])| before != after;
    let Some(first) = rows().position(|row| differs(&row)) else { return piece };
    let last = height - 1 - rows().rev().position(|row| differs(&row)).unwrap_or(0);
    let (mut left, mut right) = (width - 1, 0);
    for (before, after) in rows() {
        let mut columns = before.iter().zip(after).map(|(before, after)| before != after);
        if let Some(column) = columns.clone().position(|differs| differs) {
            left = left.min(column);
            right = right.max(columns.rposition(|differs| differs).unwrap_or(column));
        }
    }
    Piece { x: x + left, y: y + first, width: right + 1 - left, height: last + 1 - first }
}

/// Red, green and blue of a rectangle, row by row.
fn colours(frame: &Frame, piece: Piece) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(piece.width * piece.height * 3);
    for y in piece.y..piece.y + piece.height {
        for pixel in row(frame, piece.x, y, piece.width) {
            let [_, red, green, blue] = pixel.to_be_bytes();
            bytes.extend([red, green, blue]);
        }
    }
    bytes
}

/// Colours as PNG, or `None` if they are no picture of that size.
fn png(colours: &[u8], width: usize, height: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(colours).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// A whole frame as PNG, or `None` if it has no pixels.
pub(super) fn picture(frame: &Frame) -> Option<Vec<u8>> {
    let (width, height) = size(frame);
    png(&colours(frame, Piece { x: 0, y: 0, width, height }), width, height)
}

/// What turns `before` into `after`, or `None` if they are the same. Big-endian:
///
/// | bytes | |
/// |---|---|
/// | 1 | 1 |
/// | 4 | the serial of `after` |
/// | 2, 2 | width and height of the panel |
/// | 2 | how many rectangles follow |
///
/// and for each of them:
///
/// | bytes | |
/// |---|---|
/// | 2, 2, 2, 2 | x, y, width, height |
/// | 1 | 0: red, green, blue of each pixel; 1: a PNG |
/// | 4 | how many bytes of it follow |
pub(super) fn update(serial: u32, before: Option<&Frame>, after: &Frame) -> Option<Vec<u8>> {
    let pieces = changed(before, after);
    if pieces.is_empty() {
        return None;
    }
    let (width, height) = size(after);
    let mut bytes = vec![CHANGED];
    bytes.extend(serial.to_be_bytes());
    for number in [width, height, pieces.len()] {
        bytes.extend(u16::try_from(number).ok()?.to_be_bytes());
    }
    for piece in pieces {
        for number in [piece.x, piece.y, piece.width, piece.height] {
            bytes.extend(u16::try_from(number).ok()?.to_be_bytes());
        }
        let raw = colours(after, piece);
        let smaller = (raw.len() > RAW_BYTES).then(|| png(&raw, piece.width, piece.height)).flatten();
        let (how, content) = match smaller {
            Some(png) if png.len() < raw.len() => (1, png),
            _ => (0, raw),
        };
        bytes.push(how);
        bytes.extend(u32::try_from(content.len()).ok()?.to_be_bytes());
        bytes.extend(content);
    }
    Some(bytes)
}

/// What a browser does with an update: the tests' other end.
#[cfg(test)]
pub(super) fn drawn(onto: &mut Option<image::RgbImage>, update: &[u8]) -> u32 {
    use image::GenericImage as _;

    let mut rest = update;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    assert_eq!(take(1), [CHANGED]);
    let serial = number(take(4));
    let (width, height) = (number(take(2)), number(take(2)));
    let canvas = onto.take().filter(|canvas| canvas.dimensions() == (width, height));
    let mut canvas = canvas.unwrap_or_else(|| image::RgbImage::new(width, height));
    for _ in 0..number(take(2)) {
        let [x, y, width, height] = [(); 4].map(|()| number(take(2)));
        let how = number(take(1));
        let length = number(take(4)) as usize;
        let content = take(length).to_vec();
        let piece = match how {
            0 => image::RgbImage::from_raw(width, height, content).expect("all pixels"),
            _ => image::load_from_memory_with_format(&content, image::ImageFormat::Png).expect("a PNG").to_rgb8(),
        };
        assert_eq!(piece.dimensions(), (width, height));
        canvas.copy_from(&piece, x, y).expect("inside");
    }
    assert!(rest.is_empty());
    *onto = Some(canvas);
    serial
}

#[cfg(test)]
mod tests {
    use embedded_graphics::{pixelcolor::Rgb888, prelude::*, primitives::Rectangle};

    use super::*;

    fn filled(frame: &Frame, areas: &[(i32, i32, u32, u32)]) -> Frame {
        let mut frame = frame.clone();
        for (x, y, width, height) in areas {
            let area = Rectangle::new(Point::new(*x, *y), Size::new(*width, *height));
            let Ok(()) = frame.fill_solid(&area, Rgb888::new(200, 10, 3));
        }
        frame
    }

    /// The rectangles are those that are wanted, and drawing them makes the one frame of the other.
    #[track_caller]
    fn check(areas: &[(i32, i32, u32, u32)], want: &[(usize, usize, usize, usize)]) {
        let before = Frame::new(Size::new(300, 200));
        let after = filled(&before, areas);
        let found: Vec<_> =
            changed(Some(&before), &after).iter().map(|piece| (piece.x, piece.y, piece.width, piece.height)).collect();
        assert_eq!(found, want);
        let mut canvas = Some(before.image());
        match update(7, Some(&before), &after) {
            Some(update) => assert_eq!(drawn(&mut canvas, &update), 7),
            None => assert!(want.is_empty()),
        }
        assert_eq!(canvas, Some(after.image()));
    }

    #[test]
    fn nothing_is_nothing() {
        check(&[], &[]);
    }

    #[test]
    fn a_pixel_is_a_pixel() {
        check(&[(0, 0, 1, 1)], &[(0, 0, 1, 1)]);
        check(&[(299, 199, 1, 1)], &[(299, 199, 1, 1)]);
    }

    #[test]
    fn what_crosses_tiles_is_one_rectangle() {
        check(&[(60, 10, 100, 20)], &[(60, 10, 100, 20)]);
        check(&[(60, 60, 100, 100)], &[(60, 60, 100, 100)]);
        check(&[(0, 0, 300, 200)], &[(0, 0, 300, 200)]);
    }

    #[test]
    fn what_is_apart_stays_apart() {
        check(&[(2, 2, 3, 3), (200, 2, 3, 3)], &[(2, 2, 3, 3), (200, 2, 3, 3)]);
        check(&[(2, 2, 3, 3), (200, 150, 3, 3)], &[(2, 2, 3, 3), (200, 150, 3, 3)]);
        // A column that goes on beside one that does not.
        check(&[(2, 2, 3, 100), (130, 2, 3, 3)], &[(130, 2, 3, 3), (2, 2, 3, 100)]);
    }

    /// Whatever changes, drawing the rectangles makes the one frame of the other.
    #[test]
    fn any_change_comes_through() {
        let mut state = 1_u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).expect("31 bits") % below
        };
        let mut before = Frame::new(Size::new(150, 131));
        let mut canvas = None;
        drawn(&mut canvas, &update(0, None, &before).expect("all of it"));
        for serial in 1..200 {
            let mut after = before.clone();
            for _ in 0..random(5) {
                let area = Rectangle::new(
                    Point::new(random(150).cast_signed(), random(131).cast_signed()),
                    Size::new(random(90), random(90)),
                );
                let noise =
                    (0..area.size.width * area.size.height).map(|_| Rgb888::new(random(256).to_be_bytes()[3], 0, 9));
                let noise: Vec<Rgb888> = noise.collect();
                let Ok(()) = after.fill_contiguous(&area, noise);
            }
            match update(serial, Some(&before), &after) {
                Some(update) => assert_eq!(drawn(&mut canvas, &update), serial),
                None => assert_eq!(before, after),
            }
            assert_eq!(canvas, Some(after.image()));
            before = after;
        }
    }

    #[test]
    fn another_size_is_all_of_it() {
        let (small, large) = (Frame::new(Size::new(8, 8)), filled(&Frame::new(Size::new(90, 70)), &[(3, 3, 80, 60)]));
        for (before, after) in [(&small, &large), (&large, &small)] {
            let mut canvas = Some(before.image());
            drawn(&mut canvas, &update(1, Some(before), after).expect("all of it"));
            assert_eq!(canvas, Some(after.image()));
        }
        assert_eq!(update(1, Some(&small), &Frame::new(Size::zero())), None);
        assert_eq!(picture(&Frame::new(Size::zero())), None);
    }

    #[test]
    fn a_frame_is_a_picture() {
        let frame = filled(&Frame::new(Size::new(90, 70)), &[(3, 3, 80, 60)]);
        let picture = picture(&frame).expect("a picture");
        let read = image::load_from_memory_with_format(&picture, image::ImageFormat::Png).expect("a PNG");
        assert_eq!(read.to_rgb8(), frame.image());
    }
}
