"""One module per verb: facts and a request in, a plan or `Refused` out."""
