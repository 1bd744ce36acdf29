# `terraform test`: needs no account and makes nothing.

mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { member = "serviceAccount:of-its-own" }
  }
}

variables {
  project   = "some-project"
  image_tag = "1.0"
}

run "nothing_is_public_unless_asked_for" {
  assert {
    condition     = google_cloud_run_v2_service.server.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The server can be reached from the internet."
  }
  assert {
    condition     = [for each in google_cloud_run_v2_service_iam_member.server_invokers : each.member] == ["serviceAccount:of-its-own"]
    error_message = "Others than the web app may ask the server."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.app_invokers) == 0
    error_message = "Somebody may open the web app."
  }
  assert {
    condition     = google_storage_bucket.models.public_access_prevention == "enforced" && google_storage_bucket.models.uniform_bucket_level_access
    error_message = "Models could be made public."
  }
}

run "app_users_may_open_the_app" {
  variables {
    app_users = ["user:a@example.org"]
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.app_invokers["user:a@example.org"].role == "roles/run.invoker"
    error_message = "They may not."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.server_invokers) == 1
    error_message = "They may ask the server itself."
  }
}

run "behind_iap_only_iap_reaches_the_app" {
  variables {
    app_access = "iap"
    app_users  = ["user:a@example.org"]
  }
  assert {
    condition     = google_cloud_run_v2_service.app.iap_enabled
    error_message = "IAP is off."
  }
  assert {
    condition     = endswith(one([for each in google_cloud_run_v2_service_iam_member.app_invokers : each.member]), "@gcp-sa-iap.iam.gserviceaccount.com")
    error_message = "The app answers others than IAP."
  }
  assert {
    condition     = google_iap_web_cloud_run_service_iam_member.app_users["user:a@example.org"].role == "roles/iap.httpsResourceAccessor"
    error_message = "IAP does not let the users through."
  }
  assert {
    condition     = contains(keys(google_project_service.apis), "iap.googleapis.com")
    error_message = "IAP's interface is not turned on."
  }
}

run "the_app_is_public_if_and_only_if_said_so" {
  variables {
    app_access = "public"
  }
  assert {
    condition     = [for each in google_cloud_run_v2_service_iam_member.app_invokers : each.member] == ["allUsers"]
    error_message = "It is not."
  }
  assert {
    condition     = google_cloud_run_v2_service.server.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && !contains([for each in google_cloud_run_v2_service_iam_member.server_invokers : each.member], "allUsers")
    error_message = "So is the server."
  }
}

run "everyone_is_no_user" {
  command = plan
  variables {
    app_users       = ["allUsers"]
    server_invokers = ["allAuthenticatedUsers"]
  }
  expect_failures = [var.app_users, var.server_invokers]
}

run "a_service_account_may_only_do_its_work" {
  variables {
    training = { schedule = "0 3 * * 1" }
  }
  assert {
    condition     = google_storage_bucket_iam_member.server_reads_models.role == "roles/storage.objectViewer"
    error_message = "The server can change models."
  }
  assert {
    condition     = google_storage_bucket_iam_member.training_writes_models[0].role == "roles/storage.objectUser"
    error_message = "The training cannot write models, or may do more."
  }
  assert {
    condition     = alltrue([for each in google_project_iam_member.server_writes_metrics : endswith(each.role, "Writer")])
    error_message = "The server has rights over the whole project besides writing metrics and logs."
  }
}
