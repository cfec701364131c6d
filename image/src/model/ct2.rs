//! Reader of CTranslate2's `model.bin`.
//!
//! Little endian: u32 version, string spec, u32 revision, u32 variable count, the variables,
//! u32 alias count, pairs of strings. A variable: string name, u8 rank, u32 dims\[rank\], u8 dtype,
//! u32 byte count, data. A string: u16 length with its NUL, the bytes, the NUL.
//! Source: CTranslate2, python/ctranslate2/specs/model_spec.py, `ModelSpec._serialize`.
//!
//! Data is borrowed from the input and nothing is allocated by a number read from it, so a
//! damaged file costs an error and no more.

use std::collections::BTreeMap;

/// File version, spec and revision this reader knows.
const VERSION: u32 = 6;
const SPEC: &str = "WhisperSpec";
const REVISION: u32 = 3;

/// Why the input is not a Whisper model of CTranslate2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends in the middle of something.
    #[error("the file ends early, at byte {at_byte}: it is truncated")]
    Truncated {
        /// Where the missing part would begin.
        at_byte: usize,
    },
    /// Another kind or version of model.
    #[error("{what} is {found}, expected {expected}")]
    Unsupported {
        /// Field of the header.
        what: &'static str,
        /// What the file says.
        found: String,
        /// What this reader knows.
        expected: String,
    },
    /// The structure contradicts itself.
    #[error("damaged at byte {at_byte}: {what}")]
    Damaged {
        /// Where.
        at_byte: usize,
        /// How.
        what: &'static str,
    },
    /// A variable that the conversion needs is absent or not as expected.
    #[error("variable {name}: {what}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Element type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// IEEE 754 single precision.
    F32,
    /// Signed 8-bit.
    I8,
    /// Signed 16-bit.
    I16,
    /// Signed 32-bit.
    I32,
    /// IEEE 754 half precision.
    F16,
}

impl DataType {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::F16,
            _ => return None,
        })
    }

    /// Size of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

/// One array of the model, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Shape, slowest dimension first; empty for a scalar.
    pub dims: Vec<usize>,
    /// Element type.
    pub data_type: DataType,
    /// Elements, little endian; the length is the product of `dims` times the element size.
    pub data: &'a [u8],
}

/// All variables by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model<'a> {
    variables: BTreeMap<&'a str, Variable<'a>>,
}

impl<'a> Model<'a> {
    /// Reads a whole file. Aliases are checked and dropped: the conversion does not need them.
    pub fn parse(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { input, at_byte: 0 };
        expect("version", reader.u32()?, VERSION)?;
        expect("spec", reader.string()?, SPEC)?;
        expect("revision", reader.u32()?, REVISION)?;

        let mut variables = BTreeMap::new();
        for _ in 0..reader.u32()? {
            let at_byte = reader.at_byte;
            let name = reader.string()?;
            if variables.insert(name, reader.variable()?).is_some() {
                return Err(Error::Damaged { at_byte, what: "a variable's name occurs twice" });
            }
        }
        for _ in 0..reader.u32()? {
            let at_byte = reader.at_byte;
            let (_alias, name) = (reader.string()?, reader.string()?);
            if !variables.contains_key(name) {
                return Err(Error::Damaged { at_byte, what: "an alias names no variable" });
            }
        }
        if reader.at_byte != input.len() {
            return Err(Error::Damaged { at_byte: reader.at_byte, what: "bytes after the end" });
        }
        Ok(Self { variables })
    }

    /// The variable `name`, which must be f16 with the shape `dims`; its bytes.
    pub fn f16(&self, name: &str, dims: &[usize]) -> Result<&'a [u8], Error> {
        let wrong = |what| Error::Variable { name: name.to_owned(), what };
        let variable = self.variables.get(name).ok_or_else(|| wrong("is missing"))?;
        if variable.data_type != DataType::F16 {
            return Err(wrong("is not f16"));
        }
        if variable.dims != dims {
            return Err(wrong("has another shape than tiny.en's"));
        }
        Ok(variable.data)
    }
}

fn expect<T: PartialEq + ToString>(what: &'static str, found: T, expected: T) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Unsupported { what, found: found.to_string(), expected: expected.to_string() })
}

struct Reader<'a> {
    input: &'a [u8],
    at_byte: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at_byte.checked_add(count);
        let bytes = end.and_then(|end| self.input.get(self.at_byte..end));
        let bytes = bytes.ok_or(Error::Truncated { at_byte: self.at_byte })?;
        self.at_byte += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let at_byte = self.at_byte;
        self.bytes(N)?.try_into().map_err(|_| Error::Truncated { at_byte })
    }

    fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn string(&mut self) -> Result<&'a str, Error> {
        let at_byte = self.at_byte;
        let damaged = |what| Error::Damaged { at_byte, what };
        let length = usize::from(self.u16()?);
        let Some((0, text)) = self.bytes(length)?.split_last() else {
            return Err(damaged("a string without its NUL"));
        };
        std::str::from_utf8(text).map_err(|_| damaged("a string that is not UTF-8"))
    }

    fn variable(&mut self) -> Result<Variable<'a>, Error> {
        let at_byte = self.at_byte;
        let damaged = |what| Error::Damaged { at_byte, what };
        let rank = self.u8()?;
        let dims = (0..rank).map(|_| Ok(self.u32()? as usize)).collect::<Result<Vec<_>, Error>>()?;
        let data_type = DataType::from_code(self.u8()?).ok_or_else(|| damaged("an unknown element type"))?;
        let size_bytes = self.u32()? as usize;
        let expected_bytes = dims.iter().try_fold(data_type.size_bytes(), |size, &dim| size.checked_mul(dim));
        if expected_bytes != Some(size_bytes) {
            return Err(damaged("a variable's size is not that of its shape"));
        }
        Ok(Variable { dims, data_type, data: self.bytes(size_bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_string(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u16 + 1).to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0);
    }

    fn header(spec: &str, variable_count: u32) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        put_string(&mut out, spec);
        out.extend(REVISION.to_le_bytes());
        out.extend(variable_count.to_le_bytes());
        out
    }

    fn put_variable(out: &mut Vec<u8>, name: &str, dims: &[u32], code: u8, data: &[u8]) {
        put_string(out, name);
        out.push(dims.len() as u8);
        dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
        out.push(code);
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
    }

    /// Two variables and an alias.
    fn small_file() -> Vec<u8> {
        let mut out = header(SPEC, 2);
        put_variable(&mut out, "a/weight", &[2, 3], 4, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        put_variable(&mut out, "a/scalar", &[], 1, &[7]);
        out.extend(1u32.to_le_bytes());
        put_string(&mut out, "b/weight");
        put_string(&mut out, "a/weight");
        out
    }

    #[test]
    fn reads_shapes_types_and_data() {
        let file = small_file();
        let model = Model::parse(&file).unwrap();
        assert_eq!(model.f16("a/weight", &[2, 3]).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(
            model.variables["a/scalar"],
            Variable { dims: vec![], data_type: DataType::I8, data: &[7] }
        );
    }

    #[test]
    fn a_variable_that_is_not_as_wanted_is_named() {
        let file = small_file();
        let model = Model::parse(&file).unwrap();
        for (name, dims, what) in [
            ("c/weight", &[2, 3][..], "is missing"),
            ("a/scalar", &[], "is not f16"),
            ("a/weight", &[3, 2], "has another shape than tiny.en's"),
        ] {
            assert_eq!(model.f16(name, dims), Err(Error::Variable { name: name.to_owned(), what }));
        }
    }

    #[test]
    fn refuses_other_models_and_contradictions() {
        let parse_error = |file: Vec<u8>| Model::parse(&file).unwrap_err().to_string();
        let with_variable = |dims: &[u32], code: u8, data: &[u8]| {
            let mut file = header(SPEC, 1);
            put_variable(&mut file, "v", dims, code, data);
            file.extend(0u32.to_le_bytes());
            file
        };
        let mut twice = header(SPEC, 2);
        put_variable(&mut twice, "v", &[], 1, &[0]);
        put_variable(&mut twice, "v", &[], 1, &[0]);
        let mut trailing = small_file();
        trailing.push(0);
        let mut lost_alias = header(SPEC, 0);
        lost_alias.extend(1u32.to_le_bytes());
        put_string(&mut lost_alias, "alias");
        put_string(&mut lost_alias, "nothing");

        for (file, expected) in [
            (vec![], "truncated"),
            (7u32.to_le_bytes().to_vec(), "version is 7, expected 6"),
            (header("TransformerSpec", 0), "spec is TransformerSpec"),
            (header(SPEC, u32::MAX), "truncated"),
            (with_variable(&[2], 9, &[0, 0]), "unknown element type"),
            (with_variable(&[2], 4, &[0, 0]), "not that of its shape"),
            (with_variable(&[u32::MAX, u32::MAX, u32::MAX], 4, &[]), "not that of its shape"),
            (twice, "occurs twice"),
            (trailing, "bytes after the end"),
            (lost_alias, "names no variable"),
        ] {
            let error = parse_error(file);
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let file = small_file();
        for length in 0..file.len() {
            assert!(Model::parse(&file[..length]).is_err(), "{length} bytes were accepted");
        }
    }

    proptest! {
        #[test]
        fn mutated_input_never_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut file = small_file();
            for (at, value) in edits {
                let at = at.index(file.len());
                file[at] = value;
            }
            if let Ok(model) = Model::parse(&file) {
                for variable in model.variables.values() {
                    let elements: usize = variable.dims.iter().product();
                    prop_assert_eq!(variable.data.len(), elements * variable.data_type.size_bytes());
                }
            }
        }

        #[test]
        fn arbitrary_bytes_after_the_header_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut file = header(SPEC, 1);
            file.extend(tail);
            let _ = Model::parse(&file);
        }
    }
}
