//! What tiles a convolution in bf16 is made of. The library's own choice (cubek 0.3.1) takes 128 outputs at a time where there are 64, keeps one row of tiles in a
//! plane and copies 32 channels at once; these were the fastest for the layers of a U-Net by trial (benches/gpu_conv.rs; docs/performance.md has the times).

use cubecl::client::Client;
use cubek::convolution::components::Dimensionality;
use cubek::convolution::definition::{ConvBlueprint, ForwardBlueprint};
use cubek::convolution::{ConvAlgorithm, Strategy};
use cubek::matmul::multi_level::GlobalPartitionSize;
use cubek::matmul::multi_level::components::global::{InputLoadFlow, LoadFlows};
use cubek::matmul::multi_level::components::stage::PartitionBuffering;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::definition::{BatchMatmulBlueprint, TilingScheme};
use cubek::matmul::multi_level::stage::{SwizzleMode, SwizzleModes};
use cubek::std::MatrixLayout;
use cubek::std::cube_count::{CubeCountStrategy, GlobalOrder, HypercubeBlueprint, SmAllocation};

/// Rows, columns and depth of what a tensor core multiplies at once.
const TILE: [usize; 3] = [16, 8, 16];
/// Tiles of outputs that a plane keeps at most.
const COLUMNS: usize = 8;
/// Multiprocessors of a GPU that does not say how many it has.
const MULTIPROCESSORS: usize = 50;

/// A convolution as a product of matrices.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// Voxels of the result, of the whole batch.
    pub(super) voxels: usize,
    pub(super) outputs: usize,
    /// Channels of the input.
    pub(super) inputs: usize,
    /// Voxels of the kernel.
    pub(super) taps: usize,
}

/// Tiles of a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Rows of tiles that a plane keeps.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) planes: usize,
    /// Tiles along the channels that are copied at once: 1, 2 or 4.
    pub(super) depth: usize,
    /// Whether some planes do nothing but copy ahead, for too few cubes to hide each other's waiting.
    pub(super) ahead: bool,
}

impl Product {
    /// The way to compute it on a GPU that copies in bulk (Hopper and later).
    pub(super) fn strategy(self, client: &Client) -> Strategy {
        self.of_cut(self.cut(multiprocessors(client).map_or(MULTIPROCESSORS, |count| count as usize)), client)
    }

    /// The way to compute it with these tiles.
    pub(super) fn of_cut(self, cut: Cut, client: &Client) -> Strategy {
        let algorithm = if cut.ahead { ConvAlgorithm::SpecializedTma } else { ConvAlgorithm::SimpleAsyncTma };
        let matmul = self.blueprint(cut, multiprocessors(client));
        let forward = ForwardBlueprint { matmul, dimensionality: Dimensionality::Dim3, has_bias: false };
        Strategy::Forced { algorithm, blueprint: ConvBlueprint::Forward(forward) }
    }

    pub(super) fn cut(self, multiprocessors: usize) -> Cut {
        let tiles = self.outputs.div_ceil(TILE[1]).max(1);
        // cubes side by side along the outputs, with as few columns beyond them as can be
        let across = tiles.div_ceil(COLUMNS);
        let columns = tiles.div_ceil(across);
        let padded = |depth: usize| self.inputs.next_multiple_of(TILE[2] * depth);
        let depth = [4, 2].into_iter().find(|&depth| padded(depth) == padded(1)).unwrap_or(1);
        let planes = if columns <= COLUMNS / 2 { 8 } else { 4 };
        let cubes = self.voxels.div_ceil(2 * planes * TILE[0]) * across;
        match cubes < multiprocessors {
            true => Cut { rows: 1, columns, planes: 4, depth, ahead: true },
            false => Cut { rows: 2, columns, planes, depth, ahead: false },
        }
    }

    fn blueprint(self, cut: Cut, multiprocessors: Option<u32>) -> BatchMatmulBlueprint {
        let Cut { rows, columns, planes, depth, ahead } = cut;
        let scheme = TilingScheme {
            tile_size: (TILE[0] as u32, TILE[1] as u32, TILE[2] as u32).into(),
            partition_size: (rows as u32, columns as u32, depth as u32).into(),
            stage_size: (planes as u32, 1, 1).into(),
            global_partition_size: GlobalPartitionSize::new(1, 1, 1),
        };
        let count = multiprocessors.map_or(CubeCountStrategy::FromProblem, |num_sms| CubeCountStrategy::Sm {
            num_sms,
            sm_usage: SmAllocation::Exact,
            cubes_first: true,
        });
        let swizzle = match depth {
            1 => SwizzleMode::B32,
            2 => SwizzleMode::B64,
            _ => SwizzleMode::B128,
        };
        let (flow, buffers) = if ahead { (InputLoadFlow::LoadOnly, 2) } else { (InputLoadFlow::MainOnly, 1) };
        BatchMatmulBlueprint {
            plane_dim: 32,
            tile_matmul: TileMatmulKind::Mma,
            tiling_scheme: scheme,
            swizzle_modes: SwizzleModes { lhs: swizzle, rhs: swizzle, ..SwizzleModes::default() },
            partition_buffering: if ahead { PartitionBuffering::Double } else { PartitionBuffering::Single },
            loading_precompute_strategy: Default::default(),
            reader_mode: Default::default(),
            load_flows: LoadFlows { lhs: flow, rhs: flow },
            hypercube_blueprint: HypercubeBlueprint::builder().global_order(GlobalOrder::SwizzleRow(4)).cube_count_strategy(count).build(),
            lhs_layout: MatrixLayout::RowMajor,
            rhs_layout: MatrixLayout::ColMajor,
            check_m_bounds: !self.voxels.is_multiple_of(TILE[0] * rows * planes),
            check_n_bounds: !self.outputs.is_multiple_of(TILE[1] * columns),
            check_k_bounds: !(self.taps * self.inputs).is_multiple_of(TILE[2] * depth * buffers),
        }
    }
}

fn multiprocessors(client: &Client) -> Option<u32> {
    client.properties().hardware.num_streaming_multiprocessors
}
