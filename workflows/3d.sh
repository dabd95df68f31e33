#!/usr/bin/env bash
# Five folds of a 3D configuration, the best choice, prediction, postprocessing, scores.
source "$(dirname "$0")/common.sh"
D=Dataset004_Hippocampus
take $D 5

nnUNetv2_plan_and_preprocess -d 4 -c 3d_fullres --verify_dataset_integrity -gpu_memory_target 1
for fold in 0 1 2 3 4; do
    nnUNetv2_train 4 3d_fullres $fold --npz $BUDGET
done
nnUNetv2_find_best_configuration 4 -c 3d_fullres

# what inference_instructions.txt says
nnUNetv2_predict -d $D -i images/$D -o predictions -f 0 1 2 3 4 -tr nnUNetTrainer -c 3d_fullres -p nnUNetPlans -device cpu
crossval="$nnUNet_results/$D/nnUNetTrainer__nnUNetPlans__3d_fullres/crossval_results_folds_0_1_2_3_4"
nnUNetv2_apply_postprocessing -i predictions -o final -pp_pkl_file "$crossval/postprocessing.pkl" -np 2 -plans_json "$crossval/plans.json"

nnUNetv2_evaluate_folder labels/$D final -djfile predictions/dataset.json -pfile predictions/plans.json
test -s final/summary.json
