//! Whether a file that was found may be used: what it is, who can write it, who signed it, and whether it changed.

use crate::{
    Candidate, Judgement, Level, Options, Origin, Signed, State, scan,
    signature::Signature,
    trust::{EVERYONE, EVERYONE_ELSE, Pins, open_to_others},
    verdicts::Verdicts,
};
use std::path::Path;

/// Files beside the executable are as trusted as the executable: whoever can replace them can replace it.
pub(crate) fn pinned(origin: Origin, dev_plugins: bool) -> bool {
    origin != Origin::Beside && !dev_plugins
}

/// None for a file that is not worth a word where it lies.
pub(crate) fn judge_candidate(candidate: &Candidate, verdicts: &mut Verdicts, pins: &Pins, options: &Options) -> Option<(Judgement, Signed)> {
    let place = &candidate.place;
    let found = scan::real_file(&candidate.path).and_then(|real| Ok((verdicts.facts(&real)?, real)));
    let (facts, real) = match found {
        Ok((facts, _)) if place.mixed && !facts.marked => return None,
        Err(_) if place.mixed => return None,
        Ok(found) => found,
        Err(fault) => return Some((Judgement::refused(candidate.path.clone(), fault), Signed::No)),
    };
    let mut judgement = scan::verdict(real, facts);
    let mut signed = Signed::No;
    if let (State::Ready, Some(sha256)) = (&judgement.state, judgement.sha256.clone()) {
        let file = judgement.file.clone();
        let admitted = remembered_signer(&file, verdicts, options).and_then(|by| {
            signed = by;
            distrust(&candidate.path, &file, place.origin).map_or(Ok(()), Err)?;
            if place.origin != Origin::Beside {
                asked(&file, &signed, pins.knows(&file), options.trust.level)?;
            }
            pins.changed(&file, &sha256).filter(|_| pinned(place.origin, options.dev_plugins)).map_or(Ok(()), Err)
        });
        if let Err(reason) = admitted {
            judgement.state = State::Refused(reason);
        }
    }
    Some((judgement, signed))
}

/// Who signed these bytes of `file`.
///
/// # Errors
/// The signature beside it does not fit, or cannot be read; why the file is refused.
pub(crate) fn signer(file: &Path, bytes: &[u8], options: &Options) -> Result<Signed, String> {
    match Signature::beside(file)? {
        Some(signature) => signature.by(&options.trust.keys, |key| Ok(signature.fits(bytes, key))),
        None => Ok(Signed::No),
    }
}

/// The same from what was found out before.
fn remembered_signer(file: &Path, verdicts: &mut Verdicts, options: &Options) -> Result<Signed, String> {
    match Signature::beside(file)? {
        Some(signature) => signature.by(&options.trust.keys, |key| verdicts.fits(file, &signature, key)),
        None => Ok(Signed::No),
    }
}

/// What the trust level asks for beyond the first.
///
/// # Errors
/// Why the file is refused.
pub(crate) fn asked(file: &Path, signed: &Signed, pinned: bool, level: Level) -> Result<(), String> {
    match (level, signed) {
        (Level::FirstUse, _) | (Level::Signed, Signed::Trusted { .. }) => Ok(()),
        (Level::Pinned, _) if pinned => Ok(()),
        (Level::Pinned, _) => {
            Err(format!("is not pinned, which the trust level `pinned` asks for: `host trust {}` pins it as it is", file.display()))
        }
        (Level::Signed, Signed::No) => Err("is not signed, and the trust level `signed` asks for a signature by a trusted key".into()),
        (Level::Signed, Signed::Unknown { key, .. }) => {
            Err(format!("is signed by key {key}, which is not trusted: `host trust --key PUBKEY` trusts it (trust level `signed`)"))
        }
    }
}

/// Asks for the file, its folder, and the folder of the link that led to it. A build folder is often its group's too.
pub(crate) fn distrust(path: &Path, real: &Path, origin: Origin) -> Option<String> {
    let mask = if origin == Origin::Beside { EVERYONE } else { EVERYONE_ELSE };
    open_to_others(real, mask).or_else(|| open_to_others(path, mask))
}
