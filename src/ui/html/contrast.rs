//! Contrast of the colours of the stylesheet (WCAG 2.2, 1.4.3 and 1.4.11).

use std::collections::BTreeMap;

/// A colour in OKLCH: lightness 0 to 1, chroma, hue in degrees.
type Colour = (f64, f64, f64);

const CSS: &str = include_str!("../assets/app.css");

/// Colours that others stand on.
const SURFACES: [&str; 3] = ["page", "surface", "raised"];

/// Light and dark value of each token.
fn tokens() -> BTreeMap<&'static str, [Colour; 2]> {
    let declarations = CSS.lines().filter_map(|line| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": light-dark(")?;
        let mut colours = value.split("oklch(").skip(1).map(|text| {
            let text = text.split(')').next().unwrap();
            let numbers: Vec<f64> = text
                .split(' ')
                .map(|number| match number.strip_suffix('%') {
                    Some(percent) => percent.parse::<f64>().unwrap() / 100.0,
                    None => number.parse().unwrap(),
                })
                .collect();
            (numbers[0], numbers[1], numbers[2])
        });
        Some((name, [colours.next().unwrap(), colours.next().unwrap()]))
    });
    declarations.collect()
}

/// Relative luminance. A colour outside of sRGB loses chroma until it is inside, as browsers do.
///
/// Source: Björn Ottosson, "A perceptual color space for image processing"; WCAG 2.2.
fn luminance((lightness, chroma, hue): Colour) -> f64 {
    let (a, b) = (chroma * hue.to_radians().cos(), chroma * hue.to_radians().sin());
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let middle = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    let rgb = [
        4.076_741_662_1 * long - 3.307_711_591_3 * middle + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * middle - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * middle + 1.707_614_701_0 * short,
    ];
    let is_inside = rgb.iter().all(|value| (-1e-4..=1.0001).contains(value));
    if !is_inside && chroma > 0.0 {
        return luminance((lightness, (chroma - 0.002).max(0.0), hue));
    }
    let [red, green, blue] = rgb.map(|value| value.clamp(0.0, 1.0));
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The least contrast that a token needs on every surface; `None` for lines that carry no meaning.
fn required(token: &str) -> Option<f64> {
    match token {
        "border" | "border-strong" => None,
        "text" | "muted" | "accent" => Some(4.5),
        _ if token.ends_with("-text") => Some(4.5),
        _ => Some(3.0),
    }
}

#[test]
fn every_token_is_legible_on_every_surface() {
    let tokens = tokens();
    assert!(tokens.len() >= 20, "{tokens:?}");
    let mut failures = Vec::new();
    for (token, values) in tokens.iter().filter(|(token, _)| !SURFACES.contains(token)) {
        let Some(required) = required(token).filter(|_| *token != "on-accent") else { continue };
        for surface in SURFACES {
            for (nth, theme) in ["light", "dark"].into_iter().enumerate() {
                let contrast = contrast(values[nth], tokens[surface][nth]);
                if contrast < required {
                    let pair = format!("{theme}: {token} on {surface}");
                    failures.push(format!("{pair}: {contrast:.2} < {required}"));
                }
            }
        }
    }
    for (text, surface) in tokens["on-accent"].iter().zip(&tokens["accent"]) {
        let contrast = contrast(*text, *surface);
        assert!(contrast >= 4.5, "text of a button: {contrast:.2}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn black_on_white_is_21() {
    assert!((contrast((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)) - 21.0).abs() < 0.01);
    // #777 on white, an often cited pair.
    let grey = contrast((0.569_6, 0.0, 0.0), (1.0, 0.0, 0.0));
    assert!((grey - 4.48).abs() < 0.05, "{grey}");
}
