//! The one table of spoken commands: what is said, what it does, and where it is an ordinary word.
//!
//! The parser, the list in the README and a good part of the tests are made from it.

use std::fmt::Write;

/// One command.
#[derive(Debug)]
pub struct Command {
    /// What is said, in lower case; the first form is the one to learn.
    pub spoken: &'static [&'static str],
    /// What it does.
    pub(super) does: Does,
    /// How it is told from ordinary words.
    pub(super) guard: Guard,
    /// For people.
    pub meaning: &'static str,
    /// A transcript with it, and what is typed for that where nothing was typed before.
    pub example: (&'static str, &'static str),
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// A mark that stands close behind what is before it.
    Mark(&'static str),
    /// An opening one: close to what follows.
    Open(&'static str),
    /// A closing one: close to what is before it.
    Close(&'static str),
    /// A sign without spaces on either side.
    Join(&'static str),
    /// A sign that stands like a word.
    Sign(&'static str),
    /// A line end or a tab.
    Layout(&'static str),
    /// The Enter key, as it is pressed in a chat.
    Enter,
    /// The next word begins with a capital.
    Capital,
    /// Capitals only, from here
    AllCaps,
    /// to here.
    EndCaps,
    /// No space before the next word.
    NoSpace,
    /// Letters follow.
    Spell,
    /// The name of a command follows, and is typed.
    Literal,
    /// Takes back the last dictation.
    ScratchThat,
    /// Takes back the last word.
    ScratchWord,
    /// Takes back the last sentence.
    ScratchSentence,
    /// Types the last dictation again.
    Retype,
    /// The name of a profile follows.
    Profile,
}

/// Where a phrase is a command, and not words that happen to be the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guard {
    /// Anywhere but after or before such words, as long as no punctuation stands between.
    Flow(Near),
    /// Anywhere but after or before these words: nobody speaks about it with an article.
    Free(Near),
    /// As for `Flow`, and only with what it needs: `unquote` behind it, or letters, or `all caps` before it.
    Followed(Near),
    /// Between two pauses that Whisper wrote as punctuation.
    Clause,
    /// From the beginning of a sentence to a pause.
    Sentence,
    /// Before a pause, but not where the sentence tells when to do so. What takes back more than it names needs a pause
    /// before it too.
    Edit,
    /// At the very end, but not where the sentence tells when to do so, or joins it to something else to do.
    End(Near),
}

/// Words next to a phrase that make it ordinary, besides those of [`super::words`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// Just before it.
    pub after: &'static [&'static str],
    /// Just behind it.
    pub before: &'static [&'static str],
}

const ANYWHERE: Near = Near { after: &[], before: &[] };

macro_rules! commands {
    ($($group:literal: {$(
        [$($spoken:literal),+] $does:expr, $guard:expr, $meaning:literal, $example:literal => $typed:literal;
    )+})+) => {
        /// Every command, by groups, in the order in which they are explained.
        pub const TABLE: &[(&str, &[Command])] = &[$(
            ($group, &[$(Command {
                spoken: &[$($spoken),+],
                does: $does,
                guard: $guard,
                meaning: $meaning,
                example: ($example, $typed),
            }),+]),
        )+];
    };
}

use Does::*;
use Guard::{Clause, Edit, End, Flow, Followed, Free, Sentence};

commands! {
    "Punctuation": {
        ["comma"] Mark(","),
            Flow(Near {
                after: &["serial", "oxford", "inverted", "decimal", "trailing", "leading", "missing", "extra"],
                before: &["splice", "list", "operator"],
            }),
            "`,`", "Dear John comma thank you" => "Dear John, thank you";
        ["period", "full stop"] Mark("."),
            Flow(Near {
                after: &[
                    "this", "that", "time", "long", "short", "brief", "certain", "given", "same", "first", "second",
                    "third", "last", "next", "previous", "fixed", "grace", "trial", "waiting", "notice", "rest",
                    "lunch", "class", "test", "sampling", "sample", "reporting", "cooling", "transition",
                    "historical", "early", "late", "modern", "colonial", "victorian", "retention", "probation",
                    "renewal", "whole", "entire", "over", "per", "some", "any", "one", "two", "three", "limited",
                    "extended", "initial", "complete", "sudden", "came",
                ],
                before: &[
                    "of", "in", "when", "during", "from", "between", "for", "drama", "piece", "pain", "pains",
                    "costume", "instruments", "began", "begins", "ended", "ends", "starts", "at", "after",
                ],
            }),
            "`.`", "It works period we are done" => "It works. We are done";
        ["question mark"] Mark("?"), Flow(Near { after: &["with", "big"], before: &["over", "at", "after"] }),
            "`?`", "Are you there question mark" => "Are you there?";
        ["exclamation mark", "exclamation point"] Mark("!"), Flow(Near { after: &["with"], before: &["at"] }),
            "`!`", "Well done exclamation mark" => "Well done!";
        ["colon"] Mark(":"),
            Flow(Near { after: &["double", "no", "sigmoid"], before: &["cancer", "cleanse", "surgery", "polyps", "and"] }),
            "`:`", "Remember colon milk" => "Remember: milk";
        ["semicolon", "semi colon"] Mark(";"), Flow(Near { after: &["no"], before: &[] }), "`;`", "I came semicolon I saw" => "I came; I saw";
        ["dot dot dot", "ellipsis"] Mark("..."), Flow(ANYWHERE), "`...`", "Well dot dot dot maybe" => "Well... maybe";
        ["dash"] Sign("-"),
            Flow(Near {
                after: &["to", "will", "must", "mad", "quick", "of"],
                before: &["of", "to", "off", "out", "through", "across", "into", "for", "down", "board", "cam",
                    "away", "around", "past", "between", "and"],
            }),
            "` - `, with spaces", "Two things dash maybe three" => "Two things - maybe three";
        ["em dash"] Sign("—"), Flow(ANYWHERE), "` — `", "So em dash in the end" => "So — in the end";
        ["hyphen"] Join("-"), Flow(ANYWHERE), "`-`, without spaces", "well hyphen known" => "well-known";
        ["apostrophe"] Join("'"), Flow(ANYWHERE), "`'`", "the dog apostrophe s bone" => "the dog's bone";
        ["open quote", "open quotes", "begin quote"] Open("\""), Flow(ANYWHERE),
            "`\"` before a word", "She said open quote hello close quote" => "She said \"hello\"";
        ["close quote", "close quotes", "end quote", "unquote"] Close("\""), Flow(ANYWHERE),
            "`\"` behind a word", "open quote yes close quote she said" => "\"yes\" she said";
        ["quote"] Open("\""), Followed(Near { after: &["to", "can", "i", "will", "may"], before: &["me", "him", "from"] }),
            "`\"`, if `unquote` or `close quote` follows", "He said quote maybe unquote" => "He said \"maybe\"";
        ["open bracket", "open brackets", "open parenthesis", "open paren"] Open("("), Flow(ANYWHERE),
            "`(`", "It works open bracket I hope close bracket" => "It works (I hope)";
        ["close bracket", "close brackets", "close parenthesis", "close paren"] Close(")"), Flow(ANYWHERE),
            "`)`", "Open bracket see below close bracket" => "(see below)";
        ["open square bracket"] Open("["), Flow(ANYWHERE), "`[`", "x open square bracket 1 close square bracket" => "x [1]";
        ["close square bracket"] Close("]"), Flow(ANYWHERE), "`]`", "open square bracket x close square bracket" => "[x]";
        ["open brace", "open curly bracket"] Open("{"), Flow(ANYWHERE), "`{`", "open brace x close brace" => "{x}";
        ["close brace", "close curly bracket"] Close("}"), Flow(ANYWHERE), "`}`", "so open brace x close brace" => "so {x}";
    }

    "Signs": {
        ["slash", "forward slash"] Join("/"),
            Flow(Near { after: &["to", "will", "must"], before: &["the", "prices", "costs", "and", "jobs"] }),
            "`/`", "and slash or" => "and/or";
        ["backslash", "back slash"] Join("\\"), Flow(ANYWHERE), "`\\`", "home backslash bin" => "home\\bin";
        ["underscore"] Join("_"),
            Free(Near { after: &["to", "will", "must", "an", "the"], before: &["the", "that", "how", "our", "this"] }),
            "`_`", "my underscore name" => "my_name";
        ["dot"] Join("."),
            Flow(Near {
                after: &["polka", "red", "of", "to"],
                before: &["product", "products", "matrix", "on", "in", "of", "the"],
            }),
            "`.` without spaces", "main dot rs" => "main.rs";
        ["at sign"] Join("@"), Flow(ANYWHERE), "`@`", "joe at sign example.com" => "joe@example.com";
        ["hash sign", "number sign", "pound sign"] Sign("#"), Flow(ANYWHERE), "`#`", "Take hash sign 5" => "Take # 5";
        ["dollar sign"] Sign("$"), Flow(ANYWHERE), "`$`", "dollar sign no space home" => "$home";
        ["euro sign"] Sign("€"), Flow(ANYWHERE), "`€`", "50 euro sign" => "50 €";
        ["percent sign"] Mark("%"), Flow(ANYWHERE), "`%`", "50 percent sign" => "50%";
        ["ampersand"] Sign("&"), Flow(ANYWHERE), "`&`", "Black ampersand white" => "Black & white";
        ["asterisk"] Sign("*"), Clause, "`*`, between two pauses", "5, asterisk, 6" => "5 * 6";
        ["plus sign"] Sign("+"), Flow(ANYWHERE), "`+`", "5 plus sign 6" => "5 + 6";
        ["minus sign"] Sign("-"), Flow(ANYWHERE), "`-`", "6 minus sign 5" => "6 - 5";
        ["equals sign", "equal sign"] Sign("="), Flow(ANYWHERE), "`=`", "x equals sign 5" => "x = 5";
        ["less than sign"] Sign("<"), Flow(ANYWHERE), "`<`", "x less than sign 5" => "x < 5";
        ["greater than sign"] Sign(">"), Flow(ANYWHERE), "`>`", "x greater than sign 5" => "x > 5";
        ["vertical bar"] Sign("|"), Flow(ANYWHERE), "`|`", "ls vertical bar wc" => "ls | wc";
        ["tilde sign"] Sign("~"), Flow(ANYWHERE), "`~`", "tilde sign no space slash bin" => "~/bin";
    }

    "Layout": {
        ["new line", "newline", "next line"] Layout("\n"),
            Flow(Near {
                after: &["this", "that", "brand", "whole", "one", "next", "first"],
                before: &["of", "for", "in", "at", "items"],
            }),
            "ends the line", "Milk new line eggs" => "Milk\nEggs";
        ["new paragraph"] Layout("\n\n"), Flow(Near { after: &["this"], before: &["about", "on", "that", "in"] }),
            "an empty line", "So much for that. New paragraph. Now to this one." => "So much for that.\n\nNow to this one.";
        ["tab", "tab key"] Layout("\t"), Clause, "the Tab key, between two pauses", "Name. Tab. Town" => "Name\tTown";
        ["press enter", "press return"] Enter,
            End(Near {
                after: &["and", "then", "to", "please", "just", "or", "you", "must", "can", "should", "will", "not", "don't"],
                before: &[],
            }),
            "the Enter key, at the end",
            "See you at eight. Press enter." => "See you at eight.\n";
        ["no space"] NoSpace,
            Free(Near {
                after: &["is", "was", "are", "were", "be", "there's", "has", "have", "had", "with", "almost", "need", "needs"],
                before: &["left", "for", "in", "at", "to", "on", "between", "here", "there"],
            }),
            "no space before the next word", "key no space board" => "keyboard";
    }

    "Capitals and letters": {
        ["cap"] Capital,
            Followed(Near {
                after: &["to", "must", "will", "should", "can", "bottle", "baseball", "salary", "market", "price", "and",
                    "knee", "ice", "hub", "we", "they", "i", "you", "let's"],
                before: &["on", "of", "off", "and", "is", "was", "for", "in", "at", "or", "it", "them", "the", "this", "that",
                    "your", "our", "these"],
            }),
            "the next word begins with a capital", "We met cap moon" => "We met Moon";
        ["all caps", "caps on"] AllCaps,
            Followed(Near {
                after: &["in", "with", "using", "use", "of", "write", "wrote", "written"],
                before: &["is", "are", "and", "or", "in"],
            }),
            "capitals only, until `end caps` or the end of the dictation", "This is all caps very end caps loud" => "This is VERY loud";
        ["end caps", "caps off"] EndCaps, Followed(ANYWHERE), "ends `all caps`", "All caps stop end caps now" => "STOP now";
        ["spell"] Spell,
            Followed(Near {
                after: &["you", "we", "i", "they", "to", "dry", "cold", "hot", "long", "short", "magic"],
                before: &[],
            }),
            "letters follow, or names of letters: `alpha`, `bravo`, …; `capital` before one makes it large",
            "Spell capital oscar romeo alpha" => "Ora";
        ["literal"] Literal, Followed(ANYWHERE), "types the name of the command that follows",
            "I said literal comma" => "I said comma";
    }

    "Editing": {
        ["scratch that", "undo that"] ScratchThat, Edit,
            "takes back the last dictation, or what was said in this one so far", "Hello world. Scratch that." => "";
        ["scratch last word", "scratch the last word", "delete last word"] ScratchWord, Edit,
            "takes back the last word", "I saw him here. Scratch last word." => "I saw him";
        ["scratch last sentence", "scratch the last sentence", "delete last sentence"] ScratchSentence, Edit,
            "takes back the last sentence", "We came late. It rained. Scratch last sentence." => "We came late.";
        ["retype that", "type that again"] Retype, Sentence,
            "types the last dictation once more", "Retype that." => "";
        ["profile", "switch to profile"] Profile, Sentence,
            "with the name of a profile behind it: dictate with its settings from here on", "Profile code." => "";
    }
}

/// What Whisper makes of a command now and then, and what was said.
pub(super) const MISHEARD: [(&str, &str); 4] = [
    ("explimation mark", "exclamation mark"),
    ("filstop", "full stop"),
    ("semi colan", "semicolon"),
    ("hypen", "hyphen"),
];

/// The same in words that people also say as such: commands between two pauses only.
pub(super) const MISHEARD_AS_WORDS: [(&str, &str); 5] = [
    ("explanation mark", "exclamation mark"),
    ("quest and mark", "question mark"),
    ("fill stop", "full stop"),
    ("scratch the hat", "scratch that"),
    ("and caps", "end caps"),
];

/// Every command.
pub(super) fn commands() -> impl Iterator<Item = &'static Command> {
    TABLE.iter().flat_map(|(_, commands)| *commands)
}

/// The table of the README.
pub fn readme_table() -> String {
    let mut table = String::new();
    for (group, commands) in TABLE {
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {group} | types |\n|---|---|");
        for command in *commands {
            let spoken: Vec<_> = command.spoken.iter().map(|spoken| format!("*{spoken}*")).collect();
            let _ = writeln!(table, "| {} | {} |", spoken.join(", "), command.meaning.replace('|', "\\|"));
        }
        table.push('\n');
    }
    table.truncate(table.trim_end().len());
    table
}
