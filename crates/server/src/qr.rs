//! QR codes on the terminal.

use std::io::IsTerminal as _;

use qrcode::{Color, EcLevel, QrCode};

use crate::console::say;

/// Draws a QR code on stdout.
pub(crate) fn draw(text: &str) {
    match QrCode::with_error_correction_level(text, EcLevel::L) {
        Ok(code) => say(&drawn(&code, std::io::stdout().is_terminal())),
        Err(error) => tracing::warn!(%error, "the QR code could not be drawn"),
    }
}

/// Two modules to a character, with a quiet zone. On a terminal black on white
/// whatever its theme; else for a dark background.
fn drawn(code: &QrCode, coloured: bool) -> String {
    const QUIET: usize = 2;
    let width = code.width();
    let light = |x: usize, y: usize| match (x.checked_sub(QUIET), y.checked_sub(QUIET)) {
        (Some(x), Some(y)) if x < width && y < width => code[(x, y)] == Color::Light,
        _ => true,
    };
    let (before, after) = if coloured {
        ("\u{1b}[97;40m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    let mut text = String::new();
    for y in (0..width + 2 * QUIET).step_by(2) {
        text.push_str(before);
        for x in 0..width + 2 * QUIET {
            text.push(match (light(x, y), light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str(after);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_code_reads_back_module_by_module() {
        let code = QrCode::with_error_correction_level("2@ref,a,b,c,1", EcLevel::L).expect("fits");
        let text = drawn(&code, false);
        let rows: Vec<Vec<char>> = text.lines().map(|l| l.chars().collect()).collect();
        for y in 0..code.width() {
            for x in 0..code.width() {
                let character = rows[(y + 2) / 2][x + 2];
                let upper = (y + 2) % 2 == 0;
                let light = matches!((character, upper), ('█', _) | ('▀', true) | ('▄', false));
                assert_eq!(light, code[(x, y)] == Color::Light, "{x},{y}");
            }
        }
    }
}
