"""What is seen in service: whether texts and answers still are what the model was judged on."""
