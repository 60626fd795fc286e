// Package floods measures how soon a flood is stopped, and whether clients are served meanwhile, with the product's own programs in
// a lab of network namespaces.
package floods
