using System.Diagnostics;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>A libnvidia-ml.so of ours, found before the driver's: as much is used of its one device as a file says.</summary>
internal sealed class FakeGpu : IDisposable
{
    /// <summary>In MiB: without a model, and with one.</summary>
    public const string Little = "100", Much = "5000";
    /// <summary>The driver gives no reading.</summary>
    public const string Unreadable = "none";

    private const string Source = """
        #include <stdio.h>
        #include <stdlib.h>
        typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = "0"; return index; }
        int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *memory) {
            unsigned long long mebibytes;
            FILE *file = fopen(getenv("FAKE_GPU_FILE"), "r");
            int count = file ? fscanf(file, "%llu", &mebibytes) : 0;
            if (file) fclose(file);
            if (!device || count != 1) return 999;
            memory->total = 1ull << 40; memory->reserved = 0; memory->used = mebibytes << 20;
            memory->free = memory->total - memory->used; return 0;
        }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-gpu-").FullName;

    private FakeGpu()
    {
        var source = Path.Combine(folder, "gpu.c");
        File.WriteAllText(source, Source);
        using var gcc = Process.Start("gcc", ["-shared", "-fPIC", "-o", Path.Combine(folder, "libnvidia-ml.so.1"), source]);
        gcc.WaitForExit();
        Assert.Equal(0, gcc.ExitCode);
        Write(Little);
    }

    private string UsedFile => Path.Combine(folder, "used");

    public static Dictionary<string, string> Environment(out FakeGpu gpu)
    {
        gpu = new FakeGpu();
        return new() { ["LD_LIBRARY_PATH"] = gpu.folder, ["FAKE_GPU_FILE"] = gpu.UsedFile };
    }

    public void Write(string used)
    {
        File.WriteAllText(UsedFile + ".new", used);
        File.Move(UsedFile + ".new", UsedFile, overwrite: true);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
