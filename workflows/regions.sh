#!/usr/bin/env bash
# Labels that contain each other: the whole, and a part of it.
source "$(dirname "$0")/common.sh"
D=Dataset005_HippoRegions
take $D 5

nnUNetv2_plan_and_preprocess -d 5 -c 3d_fullres --verify_dataset_integrity -gpu_memory_target 1
nnUNetv2_train 5 3d_fullres 0 $BUDGET
nnUNetv2_predict -i images/$D -o predictions -d 5 -c 3d_fullres -f 0 -device cpu --disable_tta
# a row for each region, not for each label
nnUNetv2_evaluate_folder labels/$D predictions -djfile predictions/dataset.json -pfile predictions/plans.json
grep -q '"(1, 2)"' predictions/summary.json
