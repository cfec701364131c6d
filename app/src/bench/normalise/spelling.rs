//! Common British spellings and their American ones.

/// Stems, followed by anything.
const STEMS: &[(&str, &str)] = &[
    ("colour", "color"),
    ("favour", "favor"),
    ("honour", "honor"),
    ("labour", "labor"),
    ("neighbour", "neighbor"),
    ("behaviour", "behavior"),
    ("flavour", "flavor"),
    ("harbour", "harbor"),
    ("humour", "humor"),
    ("rumour", "rumor"),
    ("odour", "odor"),
    ("armour", "armor"),
    ("endeavour", "endeavor"),
    ("splendour", "splendor"),
    ("tumour", "tumor"),
    ("parlour", "parlor"),
    ("clamour", "clamor"),
    ("saviour", "savior"),
    ("demeanour", "demeanor"),
    ("savour", "savor"),
    ("vapour", "vapor"),
    ("rigour", "rigor"),
    ("vigour", "vigor"),
    ("fervour", "fervor"),
    ("candour", "candor"),
    ("discolour", "discolor"),
    ("dishonour", "dishonor"),
    ("mould", "mold"),
    ("moustache", "mustache"),
    ("plough", "plow"),
    ("pyjama", "pajama"),
    ("sceptic", "skeptic"),
    ("aluminium", "aluminum"),
    ("aeroplane", "airplane"),
    ("paediatric", "pediatric"),
    ("encyclopaedia", "encyclopedia"),
    ("orthopaedic", "orthopedic"),
    ("haemorrhage", "hemorrhage"),
    ("oestrogen", "estrogen"),
    ("diarrhoea", "diarrhea"),
    ("smoulder", "smolder"),
    ("jewellery", "jewelry"),
    ("jeweller", "jeweler"),
    ("marvellous", "marvelous"),
    ("woollen", "woolen"),
    ("traveller", "traveler"),
    ("counsellor", "counselor"),
    ("draughty", "drafty"),
    ("aesthetic", "esthetic"),
    ("anaemi", "anemi"),
    ("archaeolog", "archeolog"),
    ("gynaecolog", "gynecolog"),
    ("leukaemia", "leukemia"),
    ("sulphur", "sulfur"),
    ("unfavour", "unfavor"),
    ("misbehaviour", "misbehavior"),
    ("watercolour", "watercolor"),
    ("yoghurt", "yogurt"),
];

/// What the stem of a verb in -ise ends in, if Americans write that verb with -ize. Verbs that both
/// write with -ise end otherwise: advise, promise, exercise, advertise, franchise.
const IZE_STEM_ENDS: &[&str] = &[
    "al", "an", "ar", "as", "at", "er", "es", "et", "gn", "ic", "id", "il", "im", "in", "it", "og", "ol",
    "on", "or", "ph", "rd", "rg", "rn", "th", "un", "ur", "ut",
];

/// Letters such a stem has at least; "arise" and "valise" have fewer.
const IZE_STEM_LETTERS_MIN: usize = 4;

/// Words that look like such a verb and are not.
const NOT_IZE: &[&str] = &["treatise", "treatises"];

/// Endings of such a verb; not -ism and -ist, which Britain and America spell alike.
const IZE_ENDINGS: &[&str] =
    &["ise", "ised", "ises", "ising", "iser", "isers", "isation", "isations", "isational", "isable"];

/// Verbs that double their l before an ending in Britain.
const DOUBLED_L: &[&str] = &[
    "travel", "cancel", "model", "label", "signal", "fuel", "counsel", "level", "dial", "total", "channel",
    "equal", "marshal", "panel", "quarrel", "rival", "shovel", "tunnel", "unravel", "yodel", "spiral",
    "initial", "marvel", "snivel", "swivel", "grovel", "duel", "refuel", "pencil", "remodel", "pedal",
    "parcel", "chisel", "funnel", "snorkel", "stencil", "revel", "libel", "towel", "enamel",
];

/// Endings after the doubled l.
const L_ENDINGS: &[&str] = &["ed", "ing", "ings"];

/// Whole words.
const WORDS: &[(&str, &str)] = &[
    ("ageing", "aging"),
    ("analogue", "analog"),
    ("analyse", "analyze"),
    ("analysed", "analyzed"),
    ("analyser", "analyzer"),
    ("analysing", "analyzing"),
    ("artefact", "artifact"),
    ("artefacts", "artifacts"),
    ("axe", "ax"),
    ("anaesthesia", "anesthesia"),
    ("anaesthetic", "anesthetic"),
    ("anaesthetics", "anesthetics"),
    ("catalogue", "catalog"),
    ("catalogued", "cataloged"),
    ("catalogues", "catalogs"),
    ("cataloguing", "cataloging"),
    ("calibre", "caliber"),
    ("catalyse", "catalyze"),
    ("catalysed", "catalyzed"),
    ("centimetre", "centimeter"),
    ("centimetres", "centimeters"),
    ("centre", "center"),
    ("centred", "centered"),
    ("centres", "centers"),
    ("cheque", "check"),
    ("cheques", "checks"),
    ("chequered", "checkered"),
    ("cosy", "cozy"),
    ("defence", "defense"),
    ("defences", "defenses"),
    ("dialogue", "dialog"),
    ("dialogues", "dialogs"),
    ("disc", "disk"),
    ("enrol", "enroll"),
    ("enrolment", "enrollment"),
    ("fibre", "fiber"),
    ("fibres", "fibers"),
    ("foetal", "fetal"),
    ("foetus", "fetus"),
    ("fulfil", "fulfill"),
    ("fulfilment", "fulfillment"),
    ("gaol", "jail"),
    ("grey", "gray"),
    ("greyed", "grayed"),
    ("greys", "grays"),
    ("instalment", "installment"),
    ("instalments", "installments"),
    ("judgement", "judgment"),
    ("judgements", "judgments"),
    ("kerb", "curb"),
    ("kilometre", "kilometer"),
    ("kilometres", "kilometers"),
    ("licence", "license"),
    ("licences", "licenses"),
    ("litre", "liter"),
    ("litres", "liters"),
    ("lustre", "luster"),
    ("manoeuvre", "maneuver"),
    ("manoeuvred", "maneuvered"),
    ("manoeuvres", "maneuvers"),
    ("manoeuvring", "maneuvering"),
    ("millilitre", "milliliter"),
    ("millilitres", "milliliters"),
    ("fibreglass", "fiberglass"),
    ("likeable", "likable"),
    ("monologue", "monolog"),
    ("omelette", "omelet"),
    ("woolly", "wooly"),
    ("meagre", "meager"),
    ("metre", "meter"),
    ("metres", "meters"),
    ("millimetre", "millimeter"),
    ("millimetres", "millimeters"),
    ("offence", "offense"),
    ("offences", "offenses"),
    ("paralyse", "paralyze"),
    ("paralysed", "paralyzed"),
    ("practise", "practice"),
    ("practised", "practiced"),
    ("practising", "practicing"),
    ("pretence", "pretense"),
    ("programme", "program"),
    ("programmes", "programs"),
    ("skilful", "skillful"),
    ("sombre", "somber"),
    ("spectre", "specter"),
    ("storey", "story"),
    ("storeys", "stories"),
    ("theatre", "theater"),
    ("theatres", "theaters"),
    ("tyre", "tire"),
    ("tyres", "tires"),
    ("wilful", "willful"),
];

/// The American spelling of a lower-case word; most words are the same.
pub(super) fn american(word: &str) -> String {
    if let Some((_, american)) = WORDS.iter().find(|(british, _)| *british == word) {
        return (*american).into();
    }
    for (british, american) in STEMS {
        if let Some(ending) = word.strip_prefix(british) {
            return format!("{american}{ending}");
        }
    }
    for stem in DOUBLED_L {
        let ending = word.strip_prefix(stem).and_then(|rest| rest.strip_prefix('l'));
        if let Some(ending) = ending.filter(|ending| L_ENDINGS.contains(ending)) {
            return format!("{stem}{ending}");
        }
    }
    for ending in IZE_ENDINGS {
        let stem = word.strip_suffix(ending).filter(|stem| {
            stem.len() >= IZE_STEM_LETTERS_MIN && IZE_STEM_ENDS.iter().any(|end| stem.ends_with(end))
        });
        if let Some(stem) = stem.filter(|_| !NOT_IZE.contains(&word)) {
            return format!("{stem}{}", ending.replacen("is", "iz", 1));
        }
    }
    word.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn british_words_become_american_and_others_stay() {
        for (british, expected) in [
            ("colourful", "colorful"),
            ("neighbourhoods", "neighborhoods"),
            ("organisation", "organization"),
            ("recognised", "recognized"),
            ("realism", "realism"),
            ("organism", "organism"),
            ("capitalist", "capitalist"),
            ("promised", "promised"),
            ("advertising", "advertising"),
            ("exercises", "exercises"),
            ("improvisation", "improvisation"),
            ("treatise", "treatise"),
            ("valise", "valise"),
            ("criticised", "criticized"),
            ("travelling", "traveling"),
            ("travelled", "traveled"),
            ("travels", "travels"),
            ("dialled", "dialed"),
            ("initialise", "initialize"),
            ("centre", "center"),
            ("grey", "gray"),
            ("four", "four"),
            ("hour", "hour"),
            ("", ""),
        ] {
            assert_eq!(american(british), expected);
        }
    }

    #[test]
    fn american_words_stay() {
        for (_, word) in WORDS.iter().chain(STEMS) {
            assert_eq!(american(word), *word);
        }
    }
}
