//! The files beside an image: compressed image, block map, checksums, the manifest for Raspberry Pi Imager.

use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use liblzma::read::XzEncoder;
use liblzma::stream::MtStreamBuilder;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::error::Error;

/// The most an image may be when compressed.
pub const COMPRESSED_BYTES_MAX: usize = 100 << 20;
/// Block that is compressed by itself, so that several cores can work. Part of what the result depends on.
const XZ_BLOCK_BYTES: u64 = 16 << 20;
/// Most of an image is model weights, which higher levels do not make smaller.
const XZ_LEVEL: u32 = 6;
/// What Raspberry Pi Imager shows beside the name.
const ICON: &[u8] = include_bytes!("../../icon.svg");
/// Raspberry Pi Imager's tags for the boards: Zero 2 W and 3A+; 4B, 400 and CM4.
const DEVICES: [&str; 2] = ["pi3-64bit", "pi4-64bit"];

/// `image` as an .xz file. The same bytes whatever the number of cores.
pub fn xz(image: &[u8]) -> Result<Vec<u8>, Error> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
    let invalid = |error: &dyn ToString| Error::invalid("compression", error.to_string());
    let stream =
        MtStreamBuilder::new().threads(threads).block_size(XZ_BLOCK_BYTES).preset(XZ_LEVEL).encoder();
    let mut compressed = vec![];
    let mut encoder = XzEncoder::new_stream(image, stream.map_err(|e| invalid(&e))?);
    encoder.read_to_end(&mut compressed).map_err(|e| invalid(&e))?;
    if compressed.len() > COMPRESSED_BYTES_MAX {
        return Err(Error::invalid(
            "image",
            format!("{} bytes compressed, over the limit", compressed.len()),
        ));
    }
    Ok(compressed)
}

/// The block map (bmaptool's format 2.0): only the first `used_bytes` of the image need to be written.
pub fn bmap(image: &[u8], used_bytes: usize) -> String {
    const BLOCK_BYTES: usize = 4096;
    let used_bytes = used_bytes.next_multiple_of(BLOCK_BYTES).min(image.len());
    let [blocks, mapped] = [image.len(), used_bytes].map(|bytes| bytes / BLOCK_BYTES);
    let sha256 = super::hex(&Sha256::digest(&image[..used_bytes]));
    // The file's own checksum is taken with zeros in its place.
    let text = |checksum: &str| {
        format!(
            r#"<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {} </ImageSize>
    <BlockSize> {BLOCK_BYTES} </BlockSize>
    <BlocksCount> {blocks} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {checksum} </BmapFileChecksum>
    <BlockMap>
        <Range chksum="{sha256}"> 0-{} </Range>
    </BlockMap>
</bmap>
"#,
            image.len(),
            mapped.saturating_sub(1),
        )
    };
    let checksum = super::hex(&Sha256::digest(text(&"0".repeat(64))));
    text(&checksum)
}

/// The manifest: a list of one operating system, as rpi-imager's doc/json-schema/os-list-schema.json wants it.
/// `url` is where the compressed image will be found.
pub fn os_list(version: &str, url: &str, released_s: u32, image: &[u8], compressed: &[u8]) -> String {
    let (year, month, day) = super::date(released_s);
    let entry = json!({
        "name": format!("Oratype {version}"),
        "description": "Offline dictation keyboard: hold the button, speak, and the words are typed over USB",
        "icon": format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(ICON)),
        "url": url,
        "extract_size": image.len(),
        "extract_sha256": super::hex(&Sha256::digest(image)),
        "image_download_size": compressed.len(),
        "image_download_sha256": super::hex(&Sha256::digest(compressed)),
        "release_date": format!("{year:04}-{month:02}-{day:02}"),
        // Imager's own settings (user, Wi-Fi) have nothing to act on.
        "init_format": "none",
        "devices": DEVICES,
    });
    format!("{:#}\n", json!({"os_list": [entry]}))
}

#[cfg(test)]
mod tests {
    use liblzma::read::XzDecoder;
    use serde_json::Value;

    use super::*;

    #[test]
    fn compression_is_undone_and_repeats() {
        let image: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let compressed = xz(&image).unwrap();
        let mut back = vec![];
        XzDecoder::new(&compressed[..]).read_to_end(&mut back).unwrap();
        assert!(back == image && xz(&image).unwrap() == compressed);
    }

    #[test]
    fn a_block_map_covers_what_is_used() {
        let map = bmap(&[1; 16_384], 4097);
        assert!(
            map.contains("<MappedBlocksCount> 2 </MappedBlocksCount>") && map.contains("> 0-1 <"),
            "{map}"
        );
    }

    #[test]
    fn a_manifest_has_what_the_schema_requires() {
        let list: Value =
            serde_json::from_str(&os_list("1.2.3", "https://x/y.img.xz", 0, &[0; 9], &[0; 4])).unwrap();
        let entry = &list["os_list"][0];
        for key in ["name", "description", "icon", "url", "extract_sha256", "release_date"] {
            assert!(entry[key].is_string(), "{key}");
        }
        assert_eq!(
            (entry["extract_size"].as_u64(), entry["image_download_size"].as_u64()),
            (Some(9), Some(4))
        );
        assert_eq!(entry["release_date"], "1970-01-01");
    }
}
