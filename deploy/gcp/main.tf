# What the services stand on: interfaces turned on, images, models, a network.

locals {
  # What a container may write to besides memory, and who it runs as: see the Dockerfile.
  container_user = 10001
  images = {
    for target in ["server", "app", "pipeline"] :
    target => "${google_artifact_registry_repository.images.registry_uri}/${target}:${var.image_tag}"
  }
  model_path = "/bucket/models/emotion"
  apis = toset(concat(
    [
      "artifactregistry.googleapis.com",
      "compute.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.app_access == "iap" ? ["iap.googleapis.com"] : [],
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
    try(var.training.schedule, null) == null ? [] : ["cloudscheduler.googleapis.com"],
  ))
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "apis" {
  for_each = local.apis

  service = each.value
  # Something else in the project may need it.
  disable_on_destroy = false
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "Images of emotion-tfx"

  docker_config {
    # What was tested under a tag is what runs under it.
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-the-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }
  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"
    condition {
      older_than = "2592000s" # 30 days
    }
  }

  depends_on = [google_project_service.apis]
}

resource "google_storage_bucket" "models" {
  name                        = "${var.project}-${var.name}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
      num_newer_versions         = 3
    }
  }

  depends_on = [google_project_service.apis]
}

# The web app reaches a server with internal ingress through a network of the project's.
resource "google_compute_network" "this" {
  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.apis]
}

resource "google_compute_subnetwork" "this" {
  name          = var.name
  network       = google_compute_network.this.id
  region        = var.region
  ip_cidr_range = "10.20.0.0/26"
  # Without it, *.run.app would be looked for on the internet, which this network has no way to.
  private_ip_google_access = true
}
