"""The recurrent network: hyperparameters, training, calibration, export and use."""
