mod components;
mod loss;
mod values;
