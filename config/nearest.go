package config

// nearest returns the word that somebody who wrote s most likely meant, or
// nothing if none is near: at most one slip in three letters, two at least.
func nearest(s string, words []string) string {
	best, found := max(2, len(s)/3)+1, ""
	for _, w := range words {
		if d := distance(s, w); d < best && d < len(w) {
			best, found = d, w
		}
	}
	return found
}

// distance counts the letters that have to be put in, taken out, replaced or
// swapped with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
