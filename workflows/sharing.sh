#!/usr/bin/env bash
# A model as one file, installed elsewhere: the predictions are the same to the byte.
source "$(dirname "$0")/common.sh"
D=Dataset004_Hippocampus
take $D 5

nnUNetv2_plan_and_preprocess -d 4 -c 3d_fullres -gpu_memory_target 1
nnUNetv2_train 4 3d_fullres 0 $BUDGET
nnUNetv2_predict -i images/$D -o here -d 4 -c 3d_fullres -f 0 -device cpu --disable_tta
nnUNetv2_export_model_to_zip -d 4 -c 3d_fullres -f 0 -o hippocampus.zip

# another machine, with nothing but the file
export nnUNet_results="$WORK/elsewhere"
mkdir "$nnUNet_results"
nnUNetv2_install_pretrained_model_from_zip hippocampus.zip
nnUNetv2_predict -i images/$D -o there -d 4 -c 3d_fullres -f 0 -device cpu --disable_tta
for segmentation in here/*.nii.gz; do
    cmp "$segmentation" "there/$(basename "$segmentation")"
done
