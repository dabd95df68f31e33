#!/usr/bin/env bash
# 2D and 3D averaged: from the validation folders, where the choice is made, and for new images.
source "$(dirname "$0")/common.sh"
D=Dataset004_Hippocampus
take $D 5

nnUNetv2_plan_and_preprocess -d 4 -c 2d 3d_fullres -gpu_memory_target 1
for configuration in 2d 3d_fullres; do
    nnUNetv2_train 4 $configuration 0 --npz $BUDGET
    nnUNetv2_predict -i images/$D -o $configuration -d 4 -c $configuration -f 0 --save_probabilities -device cpu --disable_tta
done
nnUNetv2_find_best_configuration 4 -c 2d 3d_fullres -f 0

nnUNetv2_ensemble -i 2d 3d_fullres -o predictions -np 2
nnUNetv2_evaluate_folder labels/$D predictions -djfile predictions/dataset.json -pfile predictions/plans.json
