"""What denoisers are made of, so that each is fast and none says how: convolutions with what follows them (`fused`), weights kept in the
form that this takes (`prepared`), norms, last layers, parts of a result worked out with less (`parts`, `narrowing`), int8."""
