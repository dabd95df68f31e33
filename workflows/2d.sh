#!/usr/bin/env bash
# PNG slices with the 2D configuration.
source "$(dirname "$0")/common.sh"
D=Dataset012_Membrane2D
take $D 5

nnUNetv2_plan_and_preprocess -d 12 -c 2d --verify_dataset_integrity -gpu_memory_target 1
nnUNetv2_train 12 2d 0 $BUDGET
nnUNetv2_predict -i images/$D -o predictions -d 12 -c 2d -f 0 -device cpu --disable_tta
nnUNetv2_evaluate_folder labels/$D predictions -djfile predictions/dataset.json -pfile predictions/plans.json
