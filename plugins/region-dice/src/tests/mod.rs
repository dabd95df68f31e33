mod loss;
mod rig;
