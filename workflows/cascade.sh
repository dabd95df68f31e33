#!/usr/bin/env bash
# A low resolution, and the full one on top of it. Hippocampi are too small for a cascade, so they are planned at 0.4 mm.
# Without mirroring (-tr), since eight views of five cases are most of the time.
source "$(dirname "$0")/common.sh"
D=Dataset004_Hippocampus
take $D 5

nnUNetv2_plan_and_preprocess -d 4 -c 3d_lowres 3d_fullres -overwrite_target_spacing 0.4 0.4 0.4 -overwrite_plans_name FinePlans -gpu_memory_target 0.3
# a fold of the low resolution hands its validation cases to the second stage, so all cases need folds 0 to 4, or as here one model of all cases
nnUNetv2_train 4 3d_lowres fold_all -tr nnUNetTrainerNoMirroring -p FinePlans $BUDGET
nnUNetv2_train 4 3d_cascade_fullres 0 -tr nnUNetTrainerNoMirroring -p FinePlans $BUDGET

nnUNetv2_predict -i images/$D -o low -d 4 -tr nnUNetTrainerNoMirroring -p FinePlans -c 3d_lowres -f all -device cpu
nnUNetv2_predict -i images/$D -o predictions -d 4 -tr nnUNetTrainerNoMirroring -p FinePlans -c 3d_cascade_fullres -f 0 -prev_stage_predictions low -device cpu
nnUNetv2_evaluate_folder labels/$D predictions -djfile predictions/dataset.json -pfile predictions/plans.json
