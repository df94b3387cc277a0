typedef struct {
  int units; /* H */
  model_matrix w_ih, w_hh; /* H rows for each gate */
} model_cell;
