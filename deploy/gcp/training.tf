# Off unless var.training says otherwise.

resource "google_service_account" "training" {
  count = var.training == null ? 0 : 1

  account_id   = "${var.name}-training"
  display_name = "Trains models; may write to the bucket"

  depends_on = [google_project_service.apis]
}

resource "google_storage_bucket_iam_member" "training_writes_models" {
  count = var.training == null ? 0 : 1

  bucket = google_storage_bucket.models.name
  role   = "roles/storage.objectUser"
  member = google_service_account.training[0].member
}

resource "google_cloud_run_v2_job" "training" {
  count = var.training == null ? 0 : 1

  name                = "${var.name}-training"
  location            = var.region
  deletion_protection = var.deletion_protection

  template {
    template {
      service_account       = google_service_account.training[0].email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      timeout               = "21600s"
      max_retries           = 0 # A model that was not good enough would not be the second time.

      containers {
        name    = "training"
        image   = local.images["pipeline"]
        command = ["sh", "-euc", file("${path.module}/../kubernetes/training/train-and-push.sh"), "train-and-push"]
        args    = ["/bucket/${var.training.data}", "/bucket"]

        resources {
          limits = { cpu = tostring(var.training.cpus), memory = var.training.memory }
        }

        volume_mounts {
          name       = "bucket"
          mount_path = "/bucket"
        }
      }

      volumes {
        name = "bucket"
        gcs {
          bucket        = google_storage_bucket.models.name
          mount_options = ["implicit-dirs", "uid=${local.container_user}", "gid=${local.container_user}"]
        }
      }
    }
  }

  depends_on = [google_storage_bucket_iam_member.training_writes_models]
}

resource "google_service_account" "scheduler" {
  count = try(var.training.schedule, null) == null ? 0 : 1

  account_id   = "${var.name}-scheduler"
  display_name = "May start the training"

  depends_on = [google_project_service.apis]
}

resource "google_cloud_run_v2_job_iam_member" "scheduler_starts_training" {
  count = try(var.training.schedule, null) == null ? 0 : 1

  name     = google_cloud_run_v2_job.training[0].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler[0].member
}

resource "google_cloud_scheduler_job" "training" {
  count = try(var.training.schedule, null) == null ? 0 : 1

  name      = "${var.name}-training"
  region    = var.region
  schedule  = var.training.schedule
  time_zone = var.training.time_zone

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.training[0].id}:run"
    oauth_token {
      service_account_email = google_service_account.scheduler[0].email
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.scheduler_starts_training]
}
