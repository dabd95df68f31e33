#!/usr/bin/env bash
# Annotations with gaps: voxels of the label `ignore` count neither in the loss nor in the scores.
source "$(dirname "$0")/common.sh"
D=Dataset006_HippoIgnore
take $D 5

nnUNetv2_plan_and_preprocess -d 6 -c 3d_fullres --verify_dataset_integrity -gpu_memory_target 1
nnUNetv2_train 6 3d_fullres 0 $BUDGET
nnUNetv2_predict -i images/$D -o predictions -d 6 -c 3d_fullres -f 0 -device cpu --disable_tta
nnUNetv2_evaluate_folder labels/$D predictions -djfile predictions/dataset.json -pfile predictions/plans.json
