using System.Diagnostics;
using System.Runtime.InteropServices;

namespace HotModel.Tests.Gpu;

/// <summary>A libnvidia-ml.so of ours, compiled when the first test asks: checks what it is called with.</summary>
public sealed unsafe class FakeNvml : IDisposable
{
    private const string Source = """
        #include <stdint.h>
        #include <stddef.h>
        #include <stdio.h>
        typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
        typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process_v2;
        static unsigned devices; static unsigned long long used_bytes[8]; static int failing; static int inits;
        static struct { unsigned device, graphics; process_v2 info; } list[64]; static unsigned listed;
        void fake_reset(unsigned count) { devices = count; failing = 0; listed = 0; }
        void fake_use(unsigned device, unsigned long long bytes) { used_bytes[device] = bytes; }
        void fake_fail(int result) { failing = result; }
        int fake_inits(void) { return inits; }
        void fake_process(unsigned device, unsigned graphics, unsigned pid, unsigned long long bytes) {
            list[listed].device = device; list[listed].graphics = graphics;
            list[listed].info = (process_v2){ pid, bytes, 0xffffffff, 0xffffffff }; listed++;
        }
        int nvmlInit_v2(void) { if (failing) return failing; inits++; return 0; }
        int nvmlShutdown(void) { inits--; return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = devices; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
            if (index >= devices) return 2;
            *device = &used_bytes[index]; return 0;
        }
        int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *memory) {
            if (failing) return failing;
            if (memory->version != (sizeof(memory_v2) | (2u << 24))) return 25;
            memory->total = 1ull << 40; memory->reserved = 0; memory->used = *(unsigned long long *)device;
            memory->free = memory->total - memory->used; return 0;
        }
        int nvmlDeviceGetUUID(void *device, char *text, unsigned length) {
            return snprintf(text, length, "GPU-%u", (unsigned)((unsigned long long *)device - used_bytes)) < (int)length ? 0 : 7;
        }
        int nvmlDeviceGetName(void *device, char *text, unsigned length) {
            return device && snprintf(text, length, "NVIDIA Fake") < (int)length ? 0 : 7;
        }
        static int processes(void *device, unsigned *count, process_v2 *infos, unsigned graphics) {
            unsigned found = 0, index = (unsigned)((unsigned long long *)device - used_bytes);
            for (unsigned i = 0; i < listed; i++)
                if (list[i].device == index && list[i].graphics == graphics) {
                    if (found < *count && infos) infos[found] = list[i].info;
                    found++;
                }
            int fits = found <= *count && (infos || !found); *count = found; return fits ? 0 : 7;
        }
        int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, process_v2 *i) {
            return processes(d, n, i, 0);
        }
        int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, unsigned *n, process_v2 *i) {
            return processes(d, n, i, 1);
        }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-nvml-").FullName;
    private readonly nint library;

    public FakeNvml()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the fake library is built with gcc");
        Path = System.IO.Path.Join(folder, "libfake-nvml.so");
        File.WriteAllText(System.IO.Path.Join(folder, "nvml.c"), Source);
        using var gcc = Process.Start("gcc", ["-shared", "-fPIC", "-Wall", "-Werror", "-Wno-unused", "-o", Path,
            System.IO.Path.Join(folder, "nvml.c")]);
        gcc.WaitForExit();
        Assert.Equal(0, gcc.ExitCode);
        library = NativeLibrary.Load(Path);
    }

    public string Path { get; }

    public int Inits => ((delegate* unmanaged<int>)NativeLibrary.GetExport(library, "fake_inits"))();

    public void Reset(uint devices) =>
        ((delegate* unmanaged<uint, void>)NativeLibrary.GetExport(library, "fake_reset"))(devices);

    public void Use(uint device, ulong bytes) =>
        ((delegate* unmanaged<uint, ulong, void>)NativeLibrary.GetExport(library, "fake_use"))(device, bytes);

    public void Fail(int result) =>
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(library, "fake_fail"))(result);

    public void AddProcess(uint device, bool graphics, uint pid, ulong bytes) =>
        ((delegate* unmanaged<uint, uint, uint, ulong, void>)NativeLibrary.GetExport(library, "fake_process"))(
            device, graphics ? 1u : 0, pid, bytes);

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
