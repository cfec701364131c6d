//! The bill of materials: every package, crate and model of the image with version and licence, as SPDX 2.3 JSON
//! (<https://spdx.github.io/spdx-spec/v2.3/>), and the licence texts that go with the image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::model::pinned::{SILERO_VAD, WHISPER_SHORT_Q8_0};

use super::error::Error;
use super::lock::Locked;

/// The crates whose programs are in the image.
const PROGRAMS: [&str; 2] = ["oratype", "oratype-init"];
/// What the appliance is built for.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The packages whose data the layouts are made from (`scripts/lib/cross.sh`).
const LAYOUT_PACKAGES: [&str; 2] = ["xkb-data", "libx11-data"];
/// What they are built with (`scripts/lib/cross.sh`).
const FEATURES: &str = "oratype/blas";

/// A component of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// What kind of thing it is: `deb`, `crate`, `model` or `library`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression, or for a Debian package the short names its copyright file gives.
    pub licence: String,
    /// SHA-256 of the file it came as, where one is known.
    pub sha256: Option<String>,
    /// Texts of its licence and copyright notices.
    pub texts: Vec<String>,
}

/// The Debian packages; `folders` are where they are unpacked, in the same order.
pub fn packages(packages: &[Locked], folders: &[PathBuf]) -> Result<Vec<Component>, Error> {
    let components = packages.iter().zip(folders).map(|(package, folder)| {
        // Packages of one source may share the folder of one of them, by a link to its name.
        let documents = folder.join("usr/share/doc").join(&package.package);
        let owner = fs::read_link(&documents).unwrap_or_else(|_| PathBuf::from(&package.package));
        let paths = folders.iter().map(|folder| folder.join("usr/share/doc").join(&owner).join("copyright"));
        let path =
            paths.into_iter().find(|path| path.is_file()).unwrap_or_else(|| documents.join("copyright"));
        let text = fs::read(&path).map_err(Error::file(&path))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Component {
            kind: "deb",
            name: package.package.clone(),
            version: package.version.clone(),
            licence: short_names(&text),
            sha256: Some(package.sha256.clone()),
            texts: vec![text],
        })
    });
    components.collect()
}

/// The model files, and what is in the programs without being a crate of its own. `built_with`: name and version each,
/// `; ` between, the Rust compiler first; `sysroot` is where the packages among them are unpacked.
pub fn others(built_with: &str, sysroot: &Path) -> Result<Vec<Component>, Error> {
    let rustc = built_with.split("; ").next().unwrap_or_default();
    let layout_data = built_with.split("; ").filter_map(|tool| {
        let (name, version) = tool.split_once(' ')?;
        LAYOUT_PACKAGES.contains(&name).then_some((name, version))
    });
    let layout_data = layout_data.map(|(name, version)| {
        let path = sysroot.join("usr/share/doc").join(name).join("copyright");
        let text = fs::read(&path).map_err(Error::file(&path))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Component {
            kind: "library",
            name: format!("{name}, the keyboard layouts"),
            version: version.into(),
            licence: short_names(&text),
            sha256: None,
            texts: vec![text],
        })
    });
    let mut components = layout_data.collect::<Result<Vec<_>, Error>>()?;
    let model = |name: &str, version: &str, digest: &[u8; 32]| Component {
        kind: "model",
        name: name.into(),
        version: version.into(),
        licence: "MIT".into(),
        sha256: Some(super::hex(digest)),
        texts: vec![],
    };
    let library = |name: &str, version: &str, licence: &str| Component {
        kind: "library",
        name: name.into(),
        version: version.into(),
        licence: licence.into(),
        sha256: None,
        texts: vec![],
    };
    components.extend([
        model(
            "OpenAI Whisper tiny.en, q8_0, with Oratype's short-context adapter",
            "tiny.en",
            &WHISPER_SHORT_Q8_0.sha256,
        ),
        model("Silero VAD, 16 kHz", "6.2.1", &SILERO_VAD.sha256),
        library("Rust standard library", rustc, "MIT OR Apache-2.0"),
        library(
            "whisper.cpp with ggml",
            "of the crate whisper-rs-sys, with the patches in app/whisper",
            "MIT",
        ),
    ]);
    Ok(components)
}

/// The crates linked into the programs, of the workspace at `root`.
pub fn crates(root: &Path) -> Result<Vec<Component>, Error> {
    let failed = |reason: String| Error::Program { program: "cargo metadata".into(), reason };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET])
        .args(["--features", FEATURES])
        .current_dir(root);
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let linked = linked(&metadata);
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let packages = packages.filter(|package| package["id"].as_str().is_some_and(|id| linked.contains(id)));
    let mut components: Vec<_> = packages
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            let manifest = PathBuf::from(text("manifest_path"));
            let folder = manifest.parent().unwrap_or(root);
            // A crate of the workspace has the licences of the workspace.
            let folder = if package["source"].is_null() { root } else { folder };
            let licence = if package["license"].is_null() { "NOASSERTION".into() } else { text("license") };
            Component {
                kind: "crate",
                name: text("name"),
                version: text("version"),
                // An old way to write OR.
                licence: licence.replace('/', " OR "),
                sha256: None,
                texts: licence_texts(folder),
            }
        })
        .collect();
    components.sort();
    Ok(components)
}

/// Ids of all packages that the programs are linked with: their ordinary dependencies, without procedural macros,
/// which run in the compiler.
fn linked(metadata: &Value) -> BTreeSet<&str> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    let is_macro = |package: &Value| {
        let kinds = package["targets"].as_array().into_iter().flatten().map(|target| &target["kind"]);
        kinds.flat_map(|kinds| kinds.as_array().into_iter().flatten()).any(|kind| kind == "proc-macro")
    };
    let macros: BTreeSet<_> = packages().filter(|p| is_macro(p)).filter_map(|p| p["id"].as_str()).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let nodes: BTreeMap<_, _> =
        nodes.filter_map(|node| Some((node["id"].as_str()?, &node["deps"]))).collect();
    let roots = packages().filter(|p| PROGRAMS.iter().any(|name| p["name"] == *name));
    let mut open: Vec<_> = roots.filter_map(|package| package["id"].as_str()).collect();
    let mut linked = BTreeSet::new();
    while let Some(id) = open.pop() {
        if macros.contains(id) || !linked.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).and_then(|deps| deps.as_array()).into_iter().flatten();
        let ordinary = dependencies.filter(|dependency| {
            dependency["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"].is_null())
        });
        open.extend(ordinary.filter_map(|dependency| dependency["pkg"].as_str()));
    }
    linked
}

/// The licence files at the top of a crate.
fn licence_texts(folder: &Path) -> Vec<String> {
    let is_licence = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|start| name.starts_with(start))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.is_file() && is_licence(path)).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// The licences that a copyright file in Debian's machine-readable format names, each once. Those of GCC's libraries
/// are in another format.
fn short_names(copyright: &str) -> String {
    if copyright.contains("GCC RUNTIME LIBRARY EXCEPTION") {
        return "GPL-3.0-or-later WITH GCC-exception-3.1".into();
    }
    let names = copyright.lines().filter_map(|line| line.strip_prefix("License:")).map(str::trim);
    let names: BTreeSet<_> = names.filter(|name| !name.is_empty()).collect();
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() { "see its copyright file".into() } else { names.join(", ") }
}

/// The licences of everything, as one text. A text that several components have stands once.
pub fn licences(components: &[Component]) -> String {
    let mut all = String::from("What Oratype's SD card image is made of, and the licences of it.\n\n");
    let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for component in components {
        let name = format!("{} {}", component.name, component.version);
        all.push_str(&format!("{name}: {}\n", component.licence));
        for text in &component.texts {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, owners) in texts {
        all.push_str(&format!("\n\n{}\n{}\n\n{text}", "-".repeat(72), owners.join(", ")));
    }
    all
}

/// The SPDX document. `created_s` is in seconds since 1970; `image_sha256` makes its name space unique.
pub fn spdx(version: &str, created_s: u32, image_sha256: &str, components: &[Component]) -> String {
    let (year, month, day) = super::date(created_s);
    let second = created_s % 86_400;
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    let created = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    let ids: Vec<_> = (1..=components.len()).map(|number| format!("SPDXRef-{number}")).collect();
    let packages = ids.iter().zip(components).map(|(id, component)| {
        let declared = match component.kind {
            "deb" => format!("LicenseRef{}", &id["SPDXRef".len()..]),
            _ => component.licence.clone(),
        };
        let checksums =
            component.sha256.iter().map(|sha256| json!({"algorithm": "SHA256", "checksumValue": sha256}));
        json!({
            "SPDXID": id,
            "name": component.name,
            "versionInfo": component.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": declared,
            "licenseComments": format!("{}: {}", component.kind, component.licence),
            "copyrightText": "NOASSERTION",
            "checksums": checksums.collect::<Vec<_>>(),
        })
    });
    let texts = ids.iter().zip(components).filter(|(_, component)| component.kind == "deb");
    let texts = texts.map(|(id, component)| {
        json!({
            "licenseId": format!("LicenseRef{}", &id["SPDXRef".len()..]),
            "name": format!("copyright file of {}", component.name),
            "extractedText": component.texts.concat(),
        })
    });
    let relationships = ids.iter().map(|id| {
        json!({"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": id})
    });
    let describes = json!({
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-image",
    });
    let image = json!({
        "SPDXID": "SPDXRef-image",
        "name": format!("oratype-{version}.img"),
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image_sha256}],
    });
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("oratype-{version}"),
        "documentNamespace": format!("https://spdx.org/spdxdocs/oratype-{version}-{image_sha256}"),
        "creationInfo": {"created": created, "creators": ["Tool: oratype-image"]},
        "packages": std::iter::once(image).chain(packages).collect::<Vec<_>>(),
        "hasExtractedLicensingInfos": texts.collect::<Vec<_>>(),
        "relationships": std::iter::once(describes).chain(relationships).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_listed_once() {
        let text = "Files: *\nLicense: GPL-2\n\nFiles: a\nLicense: MIT\nLicense: GPL-2\n text\n";
        assert_eq!(short_names(text), "GPL-2, MIT");
        assert!(short_names("GCC RUNTIME LIBRARY EXCEPTION\n").contains("GCC-exception"));
        assert_eq!(short_names("Copyright by someone\n"), "see its copyright file");
    }

    #[test]
    fn macros_and_build_dependencies_are_not_linked() {
        let package =
            |name: &str, kind: &str| json!({"id": name, "name": name, "targets": [{"kind": [kind]}]});
        let dep = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                package("oratype", "bin"), package("log", "lib"), package("derive", "proc-macro"),
                package("cmake", "lib"), package("syn", "lib"),
            ],
            "resolve": {"nodes": [
                {"id": "oratype", "deps": [
                    dep("log", Value::Null), dep("derive", Value::Null), dep("cmake", json!("build")),
                ]},
                {"id": "derive", "deps": [dep("syn", Value::Null)]},
            ]},
        });
        assert_eq!(linked(&metadata), BTreeSet::from(["oratype", "log"]));
    }

    #[test]
    fn a_licence_stands_once() {
        let component = |name: &str| Component {
            kind: "crate",
            name: name.into(),
            version: "1".into(),
            licence: "MIT".into(),
            sha256: None,
            texts: vec!["Permission is granted".into()],
        };
        let text = licences(&[component("a"), component("b")]);
        assert_eq!(text.matches("Permission is granted").count(), 1);
        assert!(text.contains("a 1: MIT\nb 1: MIT\n") && text.contains("a 1, b 1\n"), "{text}");
    }

    #[test]
    fn a_document_names_every_component_and_its_licence() {
        let component = |kind, name: &str, licence: &str| Component {
            kind,
            name: name.into(),
            version: "1".into(),
            licence: licence.into(),
            sha256: None,
            texts: vec!["text".into()],
        };
        let components = [component("deb", "libc6", "LGPL-2.1"), component("crate", "log", "MIT")];
        let document: Value = serde_json::from_str(&spdx("0.1.0", 0, "00", &components)).unwrap();
        assert_eq!(document["creationInfo"]["created"], "1970-01-01T00:00:00Z");
        assert_eq!(document["packages"][1]["licenseDeclared"], "LicenseRef-1");
        assert_eq!(document["hasExtractedLicensingInfos"][0]["licenseId"], "LicenseRef-1");
        assert_eq!(document["packages"][2]["licenseDeclared"], "MIT");
        assert_eq!(document["relationships"].as_array().unwrap().len(), 3);
    }
}
