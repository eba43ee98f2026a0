DELETE FROM lid_map WHERE instance = $1
