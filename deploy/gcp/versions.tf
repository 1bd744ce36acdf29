terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # The bucket is named at `terraform init -backend-config=bucket=...`; docs/deploy.md makes it.
  backend "gcs" {
    prefix = "emotion"
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # Budgets are asked for in the name of this project; other calls do not mind.
  billing_project       = var.project
  user_project_override = true

  default_labels = { service = var.name }
}
