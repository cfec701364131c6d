//! A tree of files in memory, and the cpio archive in the `newc` format that the kernel unpacks as its initramfs.
//!
//! The format: <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>. Equal trees give equal
//! bytes: entries are sorted, owned by root, numbered in order and have one time stamp.

use std::collections::BTreeMap;

use super::error::Error;

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A folder, with its permissions.
    Folder(u32),
    /// A file, with its permissions.
    File(u32, Vec<u8>),
    /// A symbolic link, with its target.
    Link(String),
}

/// Paths without a leading slash, and what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Node>);

/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Hexadecimal fields of eight digits after the magic number.
const HEADER_BYTES: usize = 6 + 13 * 8;

impl Tree {
    /// Put a file and the folders above it, which get 0755.
    pub fn file(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        self.put(path, Node::File(mode, data));
    }

    /// Put something and the folders above it.
    pub fn put(&mut self, path: &str, node: Node) {
        for (index, _) in path.match_indices('/') {
            self.0.entry(path[..index].to_owned()).or_insert(Node::Folder(0o755));
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> usize {
        let sizes = self.0.values().map(|node| if let Node::File(_, data) = node { data.len() } else { 0 });
        sizes.sum()
    }

    /// The archive; every entry is of `mtime_s`, in seconds since 1970.
    pub fn to_cpio(&self, mtime_s: u32) -> Vec<u8> {
        // A folder comes before what is in it, because its path is a prefix.
        let mut archive = Vec::with_capacity(self.bytes() + self.0.len() * 256);
        for (inode, (path, node)) in (1..).zip(&self.0) {
            let (mode, links, data) = match node {
                Node::Folder(mode) => (0o040_000 | mode, 2, &[][..]),
                Node::File(mode, data) => (0o100_000 | mode, 1, &data[..]),
                Node::Link(target) => (0o120_777, 1, target.as_bytes()),
            };
            append(&mut archive, path, data, [inode, mode, links, mtime_s]);
        }
        append(&mut archive, TRAILER, &[], [0, 0, 1, 0]);
        archive
    }

    /// Read an archive back. Other kinds of files than those of [`Node`] are an error.
    pub fn from_cpio(archive: &[u8]) -> Result<Self, Error> {
        let broken = || Error::invalid("initramfs", "not a cpio archive in the newc format");
        let mut tree = Self::default();
        let mut rest = archive;
        loop {
            let header = rest.get(..HEADER_BYTES).filter(|h| h.starts_with(b"070701")).ok_or_else(broken)?;
            let field = |index: usize| {
                let digits = std::str::from_utf8(&header[6 + index * 8..14 + index * 8]).ok()?;
                u32::from_str_radix(digits, 16).ok()
            };
            let mode = field(1).ok_or_else(broken)?;
            let data_bytes = field(6).ok_or_else(broken)? as usize;
            let name_bytes = field(11).ok_or_else(broken)? as usize;
            let data_start = padded(HEADER_BYTES.checked_add(name_bytes).ok_or_else(broken)?);
            let name = rest.get(HEADER_BYTES..HEADER_BYTES + name_bytes).ok_or_else(broken)?;
            let name = std::str::from_utf8(name).map_err(|_| broken())?.trim_end_matches('\0');
            if name == TRAILER {
                return Ok(tree);
            }
            let data_end = data_start.checked_add(data_bytes).ok_or_else(broken)?;
            let data = rest.get(data_start..data_end).ok_or_else(broken)?.to_vec();
            let node = match mode & 0o170_000 {
                0o040_000 => Node::Folder(mode & 0o7777),
                0o100_000 => Node::File(mode & 0o7777, data),
                0o120_000 => Node::Link(String::from_utf8(data).map_err(|_| broken())?),
                _ => return Err(broken()),
            };
            tree.0.insert(name.to_owned(), node);
            rest = rest.get(padded(data_end)..).ok_or_else(broken)?;
        }
    }
}

/// Names and contents end at multiples of four bytes.
fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(4)
}

fn append(archive: &mut Vec<u8>, name: &str, data: &[u8], [inode, mode, links, mtime_s]: [u32; 4]) {
    let [data_bytes, name_bytes] = [data.len(), name.len() + 1].map(|length| length as u32);
    // inode, mode, uid, gid, links, mtime, size, device (2), device of a node (2), size of the name, checksum
    let fields = [inode, mode, 0, 0, links, mtime_s, data_bytes, 0, 0, 0, 0, name_bytes, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(padded(archive.len()), 0);
    archive.extend_from_slice(data);
    archive.resize(padded(archive.len()), 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            Just(Node::Folder(0o755)),
            (0u32..0o1000, prop::collection::vec(any::<u8>(), 0..50)).prop_map(|(m, d)| Node::File(m, d)),
            "[a-z/.]{1,20}".prop_map(Node::Link),
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(nodes in prop::collection::btree_map("[a-z]{1,9}(/[a-z]{1,9}){0,2}", node(), 0..9)) {
            let mut tree = Tree::default();
            for (path, node) in nodes {
                tree.put(&path, node);
            }
            prop_assert_eq!(Tree::from_cpio(&tree.to_cpio(7)).unwrap(), tree);
        }

        #[test]
        fn anything_is_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let _ = Tree::from_cpio(&bytes);
            let mut tree = Tree::default();
            tree.file("a/b", 0o644, std::mem::take(&mut bytes));
            let mut archive = tree.to_cpio(0);
            archive.truncate(cut);
            let _ = Tree::from_cpio(&archive);
        }
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut tree = Tree::default();
        tree.file("usr/bin/oratype", 0o755, vec![1]);
        let paths: Vec<_> = tree.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["usr", "usr/bin", "usr/bin/oratype"]);
    }

    #[test]
    fn entries_are_aligned() {
        let mut tree = Tree::default();
        tree.file("a", 0o644, vec![1, 2, 3]);
        let archive = tree.to_cpio(0);
        assert_eq!(archive.len() % 4, 0);
        assert!(archive.starts_with(b"07070100000001000081A4"));
    }
}
