#!/usr/bin/env bash
# Weights of one dataset as the start on another: plan the new one, move its plans to the old one, train there, and begin with what came out.
source "$(dirname "$0")/common.sh"
OLD=Dataset004_Hippocampus NEW=Dataset006_HippoIgnore
take $OLD 5
take $NEW 5

nnUNetv2_plan_and_preprocess -d 6 -c 3d_fullres -gpu_memory_target 1
nnUNetv2_extract_fingerprint -d 4
nnUNetv2_move_plans_between_datasets -s 6 -t 4 -sp nnUNetPlans -tp PretrainingPlans
nnUNetv2_preprocess -d 4 -c 3d_fullres -plans_name PretrainingPlans
nnUNetv2_train 4 3d_fullres fold_all -p PretrainingPlans $BUDGET
checkpoint="$nnUNet_results/$OLD/nnUNetTrainer__PretrainingPlans__3d_fullres/fold_all/checkpoint_final.pth"
nnUNetv2_train 6 3d_fullres 0 -pretrained_weights "$checkpoint" $BUDGET
grep -q 'pretrained weights from' "$nnUNet_results/$NEW/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/training_log.txt"
