# Packer 1.7 and later fetch the builder by `packer init`; older ones have it built in, and do not know this block.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
  }
}
