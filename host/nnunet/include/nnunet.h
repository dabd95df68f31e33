/* Prediction with trained models: link against libnnunet (-lnnunet). docs/exporting.md has a whole program.
 *
 * A function that fails says so by what it returns, and nnunet_last_error says why. Arrays lie in C's order, the last axis fastest.
 * A model is used by one thread at a time; several models may be used at once. It works with all cores by itself
 * (RAYON_NUM_THREADS says how many).
 */
#ifndef NNUNET_H
#define NNUNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An open model. */
typedef struct nnunet_model nnunet_model;

/* The version of the library. */
const char *nnunet_version(void);

/* Why the last call of this thread failed, one sentence in UTF-8; valid until the next failure of this thread. */
const char *nnunet_last_error(void);

/* Opens a model folder (with plans.json, dataset.json and fold_X), or gives NULL.
 * device: "cpu", "cuda", "cuda:N" or "auto"; NULL means "auto".
 * folds: such as "0,2" or "all", whose logits are averaged; NULL means each one that is trained. */
nnunet_model *nnunet_open(const char *folder, const char *device, const char *folds);

/* Channels that an image must have. */
size_t nnunet_channels(const nnunet_model *model);

/* Labels, the background among them, or regions: what there are probabilities for. */
size_t nnunet_outputs(const nnunet_model *model);

/* Segments an image; 0, or -1 on failure.
 * image: shape[0] channels of shape[1] x shape[2] x shape[3] voxels (z, y, x), intensities as in a file.
 * spacing: between voxels along z, y, x, in mm.
 * step_size: distance between tiles as a share of the patch, above 0 and at most 1; nnU-Net's is 0.5.
 * mirroring: not 0 averages mirrored views, as nnU-Net does.
 * labels: room for one volume.
 * probabilities: room for nnunet_outputs volumes, or NULL where they are not wanted. */
int nnunet_predict(const nnunet_model *model, const float *image, const size_t shape[4], const double spacing[3], double step_size,
                   int mirroring, int16_t *labels, float *probabilities);

/* Closes a model; NULL is left alone. */
void nnunet_close(nnunet_model *model);

#ifdef __cplusplus
}
#endif

#endif
