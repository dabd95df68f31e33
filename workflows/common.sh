# What all workflows begin with: nnU-Net's three folders and its commands. To be sourced.
set -euo pipefail

WORK="${1:?give a folder to work in}"
HOST="$(realpath "${HOST:?HOST must name the executable}")"
DATA="$(realpath "${NNUNET_TEST_DATA:?NNUNET_TEST_DATA must name the folder of raw datasets}")"
mkdir -p "$WORK"
WORK="$(realpath "$WORK")"
cd "$WORK"
export nnUNet_raw="$WORK/nnUNet_raw" nnUNet_preprocessed="$WORK/nnUNet_preprocessed" nnUNet_results="$WORK/nnUNet_results"
mkdir -p "$nnUNet_raw" "$nnUNet_preprocessed" "$nnUNet_results"
"$HOST" link bin > /dev/null
export PATH="$WORK/bin:$PATH"

# real trainings take the trainer config's 1000 epochs of 250 iterations
BUDGET="--epochs 1 --iterations 2 --val-iterations 1 -device cpu"

# take DATASET CASES: a raw dataset with its first training cases, and images/DATASET with the images of the next two
take() {
    local from="$DATA/$1" to="$nnUNet_raw/$1" ending cases case
    ending="$(sed -n 's/.*"file_ending": *"\([^"]*\)".*/\1/p' "$from/dataset.json")"
    mapfile -t cases < <(cd "$from/labelsTr" && ls ./*"$ending" | sed "s|^./||; s|$ending\$||" | sort | head -n $(($2 + 2)))
    mkdir -p "$to/imagesTr" "$to/labelsTr" "images/$1" "labels/$1"
    for case in "${cases[@]:0:$2}"; do
        cp "$from"/imagesTr/"$case"_[0-9][0-9][0-9][0-9]"$ending" "$to/imagesTr"
        cp "$from/labelsTr/$case$ending" "$to/labelsTr"
    done
    for case in "${cases[@]:$2:2}"; do
        cp "$from"/imagesTr/"$case"_[0-9][0-9][0-9][0-9]"$ending" "images/$1"
        cp "$from/labelsTr/$case$ending" "labels/$1"
    done
    sed "s/\"numTraining\": *[0-9]*/\"numTraining\": $2/" "$from/dataset.json" > "$to/dataset.json"
}
