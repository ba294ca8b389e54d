//! The bars: how many times compress256 each contestant is.

use std::path::Path;

use anyhow::Context;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contestants::Side;
use crate::report::{Figures, Report};

/// Pixels: of the picture's width, of a bar with its gap, of the gap, of the labels left of the bars, of the figures right of
/// the longest bar, and of the line of text above and below.
const WIDTH: i32 = 900;
const ROW: i32 = 24;
const GAP: i32 = 6;
const LABELS: i32 = 250;
const VALUES: i32 = 60;
const MARGIN: i32 = 40;
/// The size of the letters.
const LETTERS: i32 = 14;

const OURS: RGBColor = RGBColor(0x2f, 0x6f, 0xb0);
const PEERS: RGBColor = RGBColor(0xb0, 0x8a, 0x3c);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// Draws a report as an SVG file.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    let height = 2 * MARGIN + ROW * report.figures.len() as i32;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    let draw = || -> Result<(), DrawingAreaErrorKind<_>> {
        area.fill(&WHITE)?;
        let title = "preimages per CPU second, compress256 on one patched block = 1";
        text(&area, title, (LABELS, MARGIN / 2), HPos::Left)?;
        let ratios = report.figures.iter().map(|row| row.ratio_to_compress256);
        let longest = ratios.fold(1.0, f64::max);
        let scale = f64::from(WIDTH - LABELS - VALUES) / longest;
        for (index, figures) in report.figures.iter().enumerate() {
            bar(&area, figures, MARGIN + ROW * index as i32, scale)?;
        }
        let one = LABELS + scale as i32;
        let line = [(one, MARGIN - GAP), (one, height - MARGIN)];
        area.draw(&PathElement::new(line, INK.stroke_width(1)))?;
        let foot = format!("{}, medians of {} rounds", report.machine, report.rounds);
        text(&area, &foot, (LABELS, height - MARGIN / 2), HPos::Left)?;
        area.present()
    };
    draw().with_context(|| format!("cannot draw {}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn bar<'a>(area: &Area<'a>, figures: &Figures, top: i32, scale: f64) -> Drawn<'a> {
    let (bottom, middle) = (top + ROW - GAP, top + (ROW - GAP) / 2);
    let end = LABELS + (figures.ratio_to_compress256 * scale) as i32;
    let colour = match figures.side {
        Side::Ours => OURS,
        Side::Peer => PEERS,
    };
    text(
        area,
        &figures.label,
        (LABELS - 2 * GAP, middle),
        HPos::Right,
    )?;
    area.draw(&Rectangle::new(
        [(LABELS, top), (end, bottom)],
        colour.filled(),
    ))?;
    let value = format!("{:.2}", figures.ratio_to_compress256);
    text(area, &value, (end + GAP, middle), HPos::Left)
}

fn text<'a>(area: &Area<'a>, words: &str, at: (i32, i32), side: HPos) -> Drawn<'a> {
    let style = ("sans-serif", LETTERS).into_font().color(&INK);
    let style = style.pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style))
}
