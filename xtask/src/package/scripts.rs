//! What the packages do when they are removed. On an upgrade they do nothing: running agents go on with
//! the program that they have open, no drive is taken away from under anybody, and the next start is the
//! new version's.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::tools::Tree;

/// The shell function that asks running agents to end.
const END_AGENTS: &str = "installers/linux/end-agents.sh";

fn end_agents(root: &Path) -> Result<String> {
    let file = root.join(END_AGENTS);
    fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))
}

/// `prerm`: called with `remove` or `upgrade` (deb-prerm(5)).
pub fn deb_prerm(tree: &Tree) -> Result<String> {
    Ok(format!(
        "#!/bin/sh\nset -e\n\n{}\nif [ \"$1\" = remove ]; then\n    end_agents || true\nfi\nexit 0\n",
        end_agents(&tree.root)?
    ))
}

/// `%preun`: called with the number of versions that stay.
pub fn rpm_preun(tree: &Tree) -> Result<String> {
    Ok(format!(
        "{}\nif [ \"$1\" = 0 ]; then\n    end_agents || true\nfi\nexit 0\n",
        end_agents(&tree.root)?.replace('%', "%%")
    ))
}
