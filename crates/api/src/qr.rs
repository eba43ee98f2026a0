//! QR codes as pictures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, EcLevel, QrCode};

/// Pixels of a module's side: a phone reads it off a screen at arm's length.
const MODULE: usize = 6;
/// Modules of white around the code, as the standard demands.
const QUIET: usize = 4;

/// The code as a `data:image/png;base64,` URI; `None` where the text does not
/// fit in a QR code.
pub(crate) fn data_uri(text: &str) -> Option<String> {
    Some(format!(
        "data:image/png;base64,{}",
        STANDARD.encode(png(text)?)
    ))
}

/// The code as a PNG; `None` where the text does not fit in a QR code.
pub(crate) fn png(text: &str) -> Option<Vec<u8>> {
    // A screen is neither dirty nor torn: large modules help more than redundancy.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.into_colors();
    let side = (width + 2 * QUIET) * MODULE;
    // One bit per pixel, rows padded to whole bytes; 1 is white.
    let stride = side.div_ceil(8);
    let mut pixels = vec![0xff_u8; stride * side];
    for (at, _) in modules
        .iter()
        .enumerate()
        .filter(|(_, m)| **m == Color::Dark)
    {
        let (left, top) = ((at % width + QUIET) * MODULE, (at / width + QUIET) * MODULE);
        for y in top..top + MODULE {
            for x in left..left + MODULE {
                pixels[y * stride + x / 8] &= !(0x80 >> (x % 8));
            }
        }
    }
    let side = u32::try_from(side).ok()?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_holds_the_code_with_a_quiet_zone() {
        let text = "2@abcdefgh,AAAA,BBBB,CCCC,1";
        let file = png(text).expect("it fits");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut pixels).expect("pixels");
        let code = QrCode::with_error_correction_level(text, EcLevel::L).expect("it fits");
        let side = (code.width() + 8) * MODULE;
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        let stride = side.div_ceil(8);
        let dark = |x: usize, y: usize| pixels[y * stride + x / 8] & (0x80 >> (x % 8)) == 0;
        for y in 0..side {
            for x in 0..side {
                let (column, row) = (x / MODULE, y / MODULE);
                let inside = |at: usize| (QUIET..QUIET + code.width()).contains(&at);
                let expected = inside(column)
                    && inside(row)
                    && code[(column - QUIET, row - QUIET)] == Color::Dark;
                assert_eq!(dark(x, y), expected, "pixel {x},{y}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_no_picture() {
        assert!(data_uri(&"x".repeat(5_000)).is_none());
    }
}
