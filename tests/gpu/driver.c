/* A CUDA driver that computes nothing: modules load, memory is there, launches do nothing and last 100 ms by its own clock. With it, and NVRTC, which needs no GPU,
 * a program compiles and launches all its kernels on any machine (compile.sh). Only what CubeCL's runtime asks for is here; a function that is missing is named by a panic.
 * Attributes are those of an H100. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef unsigned long long Address;
enum { OK = 0, OUT_OF_MEMORY = 2, HOST = 1, PAGE = 4096 };
static const size_t MEMORY = 80ull << 30;
static size_t modules, launches, taken;
static double clock_ms;
static int context;

int cuInit(unsigned flags) { return OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int number) { *device = number; return OK; }
int cuDeviceGetName(char *name, int room, int device) { snprintf(name, room, "no GPU at all"); return OK; }
int cuDeviceGetUuid_v2(void *uuid, int device) { memset(uuid, 0, 16); return OK; }
int cuDeviceGetPCIBusId(char *id, int room, int device) { snprintf(id, room, "0000:01:00.0"); return OK; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = MEMORY; return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
        case 1: case 2: case 3: *value = 1024; break;        /* threads of a block, and along x and y */
        case 4: *value = 64; break;                          /* along z */
        case 5: *value = 2147483647; break;                  /* blocks of a grid along x */
        case 6: case 7: *value = 65535; break;               /* along y and z */
        case 8: *value = 49152; break;                       /* shared memory of a block */
        case 10: *value = 32; break;                         /* threads of a warp */
        case 12: case 82: *value = 65536; break;             /* registers */
        case 16: *value = 132; break;                        /* multiprocessors */
        case 38: *value = 50 << 20; break;                   /* L2 cache */
        case 39: *value = 2048; break;                       /* threads of a multiprocessor */
        case 75: *value = 9; break;                          /* compute capability 9.0 */
        case 76: *value = 0; break;
        case 81: *value = 233472; break;                     /* shared memory of a multiprocessor */
        case 97: *value = 232448; break;                     /* shared memory of a block that asks for it */
        default: *value = 1;
    }
    return OK;
}

int cuDevicePrimaryCtxRetain(void **made, int device) { *made = &context; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxSetCurrent(void *made) { return OK; }
int cuCtxGetCurrent(void **made) { *made = &context; return OK; }
int cuCtxGetDevice(int *device) { *device = 0; return OK; }
int cuCtxSynchronize(void) { return OK; }
int cuCtxGetStreamPriorityRange(int *least, int *most) { *least = 0; *most = -5; return OK; }

int cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); return OK; }
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = malloc(1); return OK; }
int cuStreamDestroy_v2(void *stream) { free(stream); return OK; }
int cuStreamSynchronize(void *stream) { return OK; }
int cuStreamQuery(void *stream) { return OK; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return OK; }
int cuStreamIsCapturing(void *stream, int *capturing) { *capturing = 0; return OK; }
int cuLaunchHostFunc(void *stream, void (*run)(void *), void *with) { run(with); return OK; }

int cuEventCreate(void **event, unsigned flags) { *event = calloc(1, sizeof(double)); return OK; }
int cuEventDestroy_v2(void *event) { free(event); return OK; }
int cuEventRecord(void *event, void *stream) { *(double *)event = clock_ms; return OK; }
int cuEventQuery(void *event) { return OK; }
int cuEventSynchronize(void *event) { return OK; }
int cuEventElapsedTime(float *ms, void *from, void *to) { *ms = *(double *)to - *(double *)from; return OK; }
int cuEventElapsedTime_v2(float *ms, void *from, void *to) { return cuEventElapsedTime(ms, from, to); }

/* memory of a device is memory here, which costs nothing until it is written */
static int take(Address *at, size_t bytes) {
    if (taken + bytes > MEMORY) return OUT_OF_MEMORY;
    size_t *page = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (page == MAP_FAILED) return OUT_OF_MEMORY;
    *page = bytes;
    *at = (Address)page + PAGE;
    taken += bytes;
    return OK;
}
static int give(Address at) {
    size_t *page = (size_t *)(at - PAGE), bytes = *page;
    taken -= bytes;
    munmap(page, bytes + PAGE);
    return OK;
}
int cuMemAlloc_v2(Address *at, size_t bytes) { return take(at, bytes); }
int cuMemAllocAsync(Address *at, size_t bytes, void *stream) { return take(at, bytes); }
int cuMemFree_v2(Address at) { return give(at); }
int cuMemFreeAsync(Address at, void *stream) { return give(at); }
int cuMemAllocHost_v2(void **at, size_t bytes) { *at = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE); return *at ? OK : OUT_OF_MEMORY; }
int cuMemFreeHost(void *at) { free(at); return OK; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *all) { *all = MEMORY; *free_bytes = MEMORY - taken; return OK; }
int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *stream) { return OK; }
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void *stream) { return OK; }
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *stream) { memset(to, 0, bytes); return OK; }
int cuMemsetD8Async(Address at, unsigned char value, size_t bytes, void *stream) { return OK; }

struct Copy2D {
    size_t from_x, from_y;
    int from_kind;
    const void *from_host;
    Address from_device;
    void *from_array;
    size_t from_pitch, to_x, to_y;
    int to_kind;
    void *to_host;
    Address to_device;
    void *to_array;
    size_t to_pitch, width, height;
};
int cuMemcpy2DAsync_v2(const struct Copy2D *copy, void *stream) {
    for (size_t y = 0; copy->to_kind == HOST && y < copy->height; y++) memset((char *)copy->to_host + y * copy->to_pitch, 0, copy->width);
    return OK;
}

int cuModuleLoadData(void **module, const void *image) { *module = malloc(1); modules++; return OK; }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = module; return OK; }
int cuModuleUnload(void *module) { free(module); return OK; }
int cuFuncSetAttribute(void *function, int attribute, int value) { return OK; }
int cuFuncGetAttribute(int *value, int attribute, void *function) { *value = 1; return OK; }
static int launch(void) { launches++; clock_ms += 100; return OK; }
int cuLaunchKernel(void *f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream, void **args, void **extra) { return launch(); }
int cuLaunchKernelEx(const void *config, void *f, void **args, void **extra) { return launch(); }
int cuTensorMapEncodeTiled(void *map) { return OK; }
int cuTensorMapEncodeIm2col(void *map) { return OK; }
int cuTensorMapEncodeIm2colWide(void *map) { return OK; }

int cuGetErrorName(int error, const char **name) { *name = "ERROR"; return OK; }
int cuGetErrorString(int error, const char **text) { *text = "no memory is left"; return OK; }

__attribute__((destructor)) static void told(void) {
    if (launches) fprintf(stderr, "%zu modules loaded, %zu launches\n", modules, launches);
}
