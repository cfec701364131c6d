//! Whisper tiny.en from CTranslate2's variables to ggml's tensors: names, shapes and order.
//!
//! The order is that of OpenAI's tiny.en.pt, which the official file kept. CTranslate2 fuses
//! projections along the rows: query, key and value in self-attention, key and value in
//! cross-attention.

use half::f16;

use super::ct2::{self, Error};
use super::ggml::{Hyperparameters, Model, Tensor};
use super::mel;

/// Width of the network.
const STATE: usize = 384;
/// Width inside a block's multilayer perceptron.
const HIDDEN: usize = 4 * STATE;
/// Blocks of the encoder, and of the decoder.
const LAYERS: usize = 4;
/// Taps of both convolutions.
const KERNEL: usize = 3;

const TINY_EN: Hyperparameters = Hyperparameters {
    vocab: 51_864,
    audio_ctx: 1_500,
    audio_state: STATE,
    audio_head: 6,
    audio_layer: LAYERS,
    text_ctx: 448,
    text_state: STATE,
    text_head: 6,
    text_layer: LAYERS,
    mels: mel::MEL_COUNT,
};

/// Builds the ggml model from CTranslate2's weights and the decoded vocabulary.
pub fn to_ggml<'a>(source: &ct2::Model<'a>, vocabulary: Vec<Vec<u8>>) -> Result<Model<'a>, Error> {
    Ok(Model {
        hyperparameters: TINY_EN,
        mel_filters: mel::filters(),
        vocabulary,
        tensors: Conversion { source, tensors: vec![] }.run()?,
    })
}

/// One part of a fused projection.
#[derive(Clone, Copy)]
struct Projection<'n> {
    layer: &'n str,
    parts: usize,
    part: usize,
}

struct Conversion<'s, 'a> {
    source: &'s ct2::Model<'a>,
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Conversion<'_, 'a> {
    fn run(mut self) -> Result<Vec<Tensor<'a>>, Error> {
        self.positions("decoder", TINY_EN.text_ctx)?;
        self.positions("encoder", TINY_EN.audio_ctx)?;
        let dims = vec![TINY_EN.vocab, STATE];
        let data = self.source.f16("decoder/embeddings/weight", &dims)?;
        self.put("decoder.token_embedding.weight", dims, data, false);

        for i in 0..LAYERS {
            self.block(&format!("decoder.blocks.{i}"), &format!("decoder/layer_{i}"), true)?;
        }
        self.norm("decoder.ln", "decoder/layer_norm")?;
        self.convolution("conv1", TINY_EN.mels)?;
        self.convolution("conv2", STATE)?;
        for i in 0..LAYERS {
            self.block(&format!("encoder.blocks.{i}"), &format!("encoder/layer_{i}"), false)?;
        }
        self.norm("encoder.ln_post", "encoder/layer_norm")?;
        Ok(self.tensors)
    }

    fn block(&mut self, name: &str, layer: &str, cross: bool) -> Result<(), Error> {
        self.norm(&format!("{name}.mlp_ln"), &format!("{layer}/ffn/layer_norm"))?;
        self.linear(&format!("{name}.mlp.0"), &format!("{layer}/ffn/linear_0"), HIDDEN, STATE)?;
        self.linear(&format!("{name}.mlp.2"), &format!("{layer}/ffn/linear_1"), STATE, HIDDEN)?;

        let own = format!("{layer}/self_attention");
        let fused = &format!("{own}/linear_0");
        self.norm(&format!("{name}.attn_ln"), &format!("{own}/layer_norm"))?;
        let qkv = [0, 1, 2].map(|part| Projection { layer: fused, parts: 3, part });
        self.attention(&format!("{name}.attn"), qkv, &format!("{own}/linear_1"))?;

        if cross {
            let other = format!("{layer}/attention");
            let (query, fused) = (&format!("{other}/linear_0"), &format!("{other}/linear_1"));
            self.norm(&format!("{name}.cross_attn_ln"), &format!("{other}/layer_norm"))?;
            let qkv = [
                Projection { layer: query, parts: 1, part: 0 },
                Projection { layer: fused, parts: 2, part: 0 },
                Projection { layer: fused, parts: 2, part: 1 },
            ];
            self.attention(&format!("{name}.cross_attn"), qkv, &format!("{other}/linear_2"))?;
        }
        Ok(())
    }

    fn attention(&mut self, name: &str, qkv: [Projection; 3], out: &str) -> Result<(), Error> {
        let [query, key, value] = qkv;
        self.projection(&format!("{name}.query"), query)?;
        // OpenAI's key projection has no bias; CTranslate2's is there and zero.
        self.check_no_bias(key)?;
        self.put(&format!("{name}.key.weight"), vec![STATE, STATE], self.weight_of(key)?, false);
        self.projection(&format!("{name}.value"), value)?;
        self.linear(&format!("{name}.out"), out, STATE, STATE)
    }

    fn projection(&mut self, name: &str, of: Projection) -> Result<(), Error> {
        self.put(&format!("{name}.weight"), vec![STATE, STATE], self.weight_of(of)?, false);
        self.put(&format!("{name}.bias"), vec![STATE], self.bias_of(of)?, true);
        Ok(())
    }

    fn weight_of(&self, of: Projection) -> Result<&'a [u8], Error> {
        let fused = self.source.f16(&format!("{}/weight", of.layer), &[of.parts * STATE, STATE])?;
        Ok(part(fused, of))
    }

    fn bias_of(&self, of: Projection) -> Result<&'a [u8], Error> {
        Ok(part(self.source.f16(&format!("{}/bias", of.layer), &[of.parts * STATE])?, of))
    }

    fn check_no_bias(&self, of: Projection) -> Result<(), Error> {
        let bias = self.bias_of(of)?;
        if bias.chunks_exact(2).any(|b| f16::from_le_bytes([b[0], b[1]]) != f16::ZERO) {
            let name = format!("{}/bias", of.layer);
            return Err(Error::Variable { name, what: "has a bias for the key, tiny.en has none" });
        }
        Ok(())
    }

    fn linear(&mut self, name: &str, layer: &str, rows: usize, columns: usize) -> Result<(), Error> {
        let dims = vec![rows, columns];
        let weight = self.source.f16(&format!("{layer}/weight"), &dims)?;
        let bias = self.source.f16(&format!("{layer}/bias"), &[rows])?;
        self.put(&format!("{name}.weight"), dims, weight, false);
        self.put(&format!("{name}.bias"), vec![rows], bias, true);
        Ok(())
    }

    fn norm(&mut self, name: &str, layer: &str) -> Result<(), Error> {
        for (ending, parameter) in [("weight", "gamma"), ("bias", "beta")] {
            let data = self.source.f16(&format!("{layer}/{parameter}"), &[STATE])?;
            self.put(&format!("{name}.{ending}"), vec![STATE], data, true);
        }
        Ok(())
    }

    fn convolution(&mut self, name: &str, inputs: usize) -> Result<(), Error> {
        let dims = vec![STATE, inputs, KERNEL];
        let weight = self.source.f16(&format!("encoder/{name}/weight"), &dims)?;
        let bias = self.source.f16(&format!("encoder/{name}/bias"), &[STATE])?;
        self.put(&format!("encoder.{name}.weight"), dims, weight, false);
        self.put(&format!("encoder.{name}.bias"), vec![STATE, 1], bias, true);
        Ok(())
    }

    fn positions(&mut self, side: &str, length: usize) -> Result<(), Error> {
        let dims = vec![length, STATE];
        let data = self.source.f16(&format!("{side}/position_encodings/encodings"), &dims)?;
        self.put(&format!("{side}.positional_embedding"), dims, data, true);
        Ok(())
    }

    fn put(&mut self, name: &str, dims: Vec<usize>, data: &'a [u8], full_precision: bool) {
        self.tensors.push(Tensor { name: name.to_owned(), dims, data: data.into(), full_precision });
    }
}

/// The rows of one part of a fused projection.
fn part<'a>(fused: &'a [u8], of: Projection) -> &'a [u8] {
    let part_bytes = fused.len() / of.parts;
    &fused[of.part * part_bytes..][..part_bytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING_END: u8 = 0;

    /// A model.bin with every variable of tiny.en. Each variable holds one value, its number in
    /// the list, except the projections: there each third (or half) differs, and the key's bias
    /// is zero.
    fn synthetic(key_bias: f32) -> Vec<u8> {
        let mut variables: Vec<(String, Vec<usize>)> = vec![];
        let mut add = |name: String, dims: &[usize]| variables.push((name, dims.to_vec()));
        for (side, length) in [("encoder", 1_500), ("decoder", 448)] {
            add(format!("{side}/position_encodings/encodings"), &[length, STATE]);
            for parameter in ["gamma", "beta"] {
                add(format!("{side}/layer_norm/{parameter}"), &[STATE]);
            }
            for i in 0..LAYERS {
                let mut layers = vec![
                    ("ffn", vec![(HIDDEN, STATE), (STATE, HIDDEN)]),
                    ("self_attention", vec![(3 * STATE, STATE), (STATE, STATE)]),
                ];
                if side == "decoder" {
                    layers.push(("attention", vec![(STATE, STATE), (2 * STATE, STATE), (STATE, STATE)]));
                }
                for (layer, linears) in layers {
                    let prefix = format!("{side}/layer_{i}/{layer}");
                    for parameter in ["gamma", "beta"] {
                        add(format!("{prefix}/layer_norm/{parameter}"), &[STATE]);
                    }
                    for (n, (rows, columns)) in linears.into_iter().enumerate() {
                        add(format!("{prefix}/linear_{n}/weight"), &[rows, columns]);
                        add(format!("{prefix}/linear_{n}/bias"), &[rows]);
                    }
                }
            }
        }
        add("decoder/embeddings/weight".to_owned(), &[TINY_EN.vocab, STATE]);
        for (name, inputs) in [("conv1", 80), ("conv2", STATE)] {
            add(format!("encoder/{name}/weight"), &[STATE, inputs, KERNEL]);
            add(format!("encoder/{name}/bias"), &[STATE]);
        }

        let mut file = 6u32.to_le_bytes().to_vec();
        put_string(&mut file, "WhisperSpec");
        file.extend(3u32.to_le_bytes());
        file.extend((variables.len() as u32).to_le_bytes());
        for (name, dims) in variables {
            put_string(&mut file, &name);
            file.push(dims.len() as u8);
            dims.iter().for_each(|&dim| file.extend((dim as u32).to_le_bytes()));
            file.push(4);
            let count: usize = dims.iter().product();
            file.extend((2 * count as u32).to_le_bytes());
            let parts = if name.contains("attention/linear") { dims[0] / STATE } else { 1 };
            for part in 0..parts {
                let is_key = parts > 1 && part == parts - 2;
                let value = if is_key && name.ends_with("bias") { key_bias } else { part as f32 + 1.0 };
                let bytes = f16::from_f32(value).to_le_bytes();
                (0..count / parts).for_each(|_| file.extend(bytes));
            }
        }
        file.extend(0u32.to_le_bytes());
        file
    }

    fn put_string(file: &mut Vec<u8>, text: &str) {
        file.extend((text.len() as u16 + 1).to_le_bytes());
        file.extend(text.as_bytes());
        file.push(STRING_END);
    }

    #[test]
    fn tensors_have_openai_names_in_the_official_order() {
        let file = synthetic(0.0);
        let tensors = to_ggml(&ct2::Model::parse(&file).unwrap(), vec![]).unwrap().tensors;
        // tiny.en has 167 tensors (whisper.cpp prints the number when it loads the model).
        assert_eq!(tensors.len(), 167);
        let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(
            names[..8],
            [
                "decoder.positional_embedding",
                "encoder.positional_embedding",
                "decoder.token_embedding.weight",
                "decoder.blocks.0.mlp_ln.weight",
                "decoder.blocks.0.mlp_ln.bias",
                "decoder.blocks.0.mlp.0.weight",
                "decoder.blocks.0.mlp.0.bias",
                "decoder.blocks.0.mlp.2.weight",
            ]
        );
        assert_eq!(names[166], "encoder.ln_post.bias");
        let at = |name| names.iter().position(|&n| n == name).unwrap();
        assert!(at("decoder.ln.bias") < at("encoder.conv1.weight"));
        assert!(at("encoder.conv2.bias") < at("encoder.blocks.0.mlp_ln.weight"));
        assert!(at("decoder.blocks.3.attn.out.bias") < at("decoder.blocks.3.cross_attn_ln.weight"));
        assert!(!names.iter().any(|name| name.ends_with("key.bias")));

        for tensor in &tensors {
            let elements: usize = tensor.dims.iter().product();
            assert_eq!(tensor.data.len(), 2 * elements, "{}", tensor.name);
            let full = tensor.dims.len() == 1
                || tensor.dims.last() == Some(&1)
                || tensor.name.ends_with("positional_embedding");
            assert_eq!(tensor.full_precision, full, "{}", tensor.name);
        }
    }

    #[test]
    fn fused_projections_are_cut_apart() {
        let file = synthetic(0.0);
        let tensors = to_ggml(&ct2::Model::parse(&file).unwrap(), vec![]).unwrap().tensors;
        let value_of = |name: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name).unwrap();
            let values: Vec<_> =
                tensor.data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
            assert!(values.iter().all(|value| *value == values[0]), "{name} is mixed");
            values[0]
        };
        for (name, value) in [
            ("encoder.blocks.1.attn.query.weight", 1.0),
            ("encoder.blocks.1.attn.key.weight", 2.0),
            ("encoder.blocks.1.attn.value.weight", 3.0),
            ("encoder.blocks.1.attn.value.bias", 3.0),
            ("decoder.blocks.2.cross_attn.query.weight", 1.0),
            ("decoder.blocks.2.cross_attn.key.weight", 1.0),
            ("decoder.blocks.2.cross_attn.value.weight", 2.0),
            ("decoder.blocks.2.cross_attn.value.bias", 2.0),
        ] {
            assert_eq!(value_of(name), value, "{name}");
        }
    }

    #[test]
    fn a_bias_on_the_key_is_refused() {
        let file = synthetic(0.5);
        let error = to_ggml(&ct2::Model::parse(&file).unwrap(), vec![]).unwrap_err();
        assert!(error.to_string().contains("bias for the key"), "{error}");
    }
}
