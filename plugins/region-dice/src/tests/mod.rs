mod loss;
mod rig;
mod values;
