/* Segments a file of raw floats; prints what a test wants to know. Arguments: model, image, z, y, x, labels, probabilities. */
#include "nnunet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, nnunet_last_error());
    return 1;
}

static int written(const char *path, const void *data, size_t size, size_t count) {
    FILE *file = fopen(path, "wb");
    int whole = file && fwrite(data, size, count, file) == count;
    return (!file || fclose(file) == 0) && whole;
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    if (nnunet_open("no such folder", "cpu", NULL) || !strstr(nnunet_last_error(), "no such folder")) return failed("a model that is not there");
    if (nnunet_open(NULL, NULL, NULL) || strcmp(nnunet_last_error(), "the folder is null")) return failed("null as a folder");
    nnunet_model *model = nnunet_open(argv[1], "cpu", "0");
    if (!model) return failed("open");

    size_t shape[4] = {nnunet_channels(model), strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10)};
    double spacing[3] = {2.0, 1.5, 1.0};
    size_t voxels = shape[1] * shape[2] * shape[3], outputs = nnunet_outputs(model);
    float *image = malloc(shape[0] * voxels * sizeof *image), *probabilities = malloc(outputs * voxels * sizeof *probabilities);
    int16_t *labels = malloc(voxels * sizeof *labels);
    FILE *file = fopen(argv[2], "rb");
    if (!image || !probabilities || !labels || !file || fread(image, sizeof *image, shape[0] * voxels, file) != shape[0] * voxels) return 3;
    fclose(file);

    if (nnunet_predict(model, image, shape, spacing, 0.5, 1, NULL, NULL) != -1) return 4;
    if (nnunet_predict(model, image, shape, spacing, 7.0, 1, labels, NULL) != -1 || !strstr(nnunet_last_error(), "step size is 7")) return failed("a wide step");
    size_t empty[4] = {shape[0], 0, 1, 1}, wrong[4] = {shape[0] + 1, 1, 1, 1};
    if (nnunet_predict(model, image, empty, spacing, 0.5, 1, labels, NULL) != -1 || !strstr(nnunet_last_error(), "no voxels")) return failed("no voxels");
    if (nnunet_predict(model, image, wrong, spacing, 0.5, 1, labels, NULL) != -1 || !strstr(nnunet_last_error(), "2 channel(s)")) return failed("a channel too many");

    if (nnunet_predict(model, image, shape, spacing, 0.5, 1, labels, probabilities)) return failed("predict");
    if (!written(argv[6], labels, sizeof *labels, voxels) || !written(argv[7], probabilities, sizeof *probabilities, outputs * voxels)) return 5;
    printf("version %s, %zu channels, %zu outputs\n", nnunet_version(), shape[0], outputs);
    nnunet_close(model);
    nnunet_close(NULL);
    free(image), free(probabilities), free(labels);
    return 0;
}
