"""This machine measured: what its kernel's work costs (a cost profile), and how well the model predicts it (experiments on both).

program compiles c/ and makes two network namespaces with a veth; machine says on what, and how quiet it is; measure and derive make a
profile, compare sets it beside others; experiments, on_kernel, in_model and validate are the other half."""
