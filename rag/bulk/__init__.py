"""Many questions at once through Message Batches: at half price, within a day, resumable at every moment."""
